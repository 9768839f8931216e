"""How a run was called, so that a line may say the same again with another setting."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Invocation:
    """config: the configuration's file; name: the run's other name than the file's, from --run; overrides: KEY=VALUE,
    from --set."""

    config: Path
    name: str | None = None
    overrides: tuple[str, ...] = ()

    def again(self, name: str | None = None, also: Sequence[str] = ()) -> str:
        """The arguments of the same call, as a shell takes them. name: another name; also: further overrides, which
        take the place of those of the same keys."""
        name = name or self.name
        keys = {setting.partition("=")[0] for setting in also}
        kept = [setting for setting in self.overrides if setting.partition("=")[0] not in keys]
        words = [str(self.config), *(["--run", name] if name else [])]
        words += [word for setting in (*kept, *also) for word in ("--set", setting)]
        return shlex.join(words)
