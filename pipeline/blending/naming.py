"""A blend under a name of its own: a run whose configuration is its first member's, with [blend]."""

from collections.abc import Sequence

from pipeline.blending import stage
from pipeline.config import loading
from pipeline.config.run import NAME_RULE, RUN_NAME, Config
from pipeline.errors import UserError
from pipeline.runs import folds_file
from pipeline.runs.finished_stage import FinishedStage
from pipeline.runs.paths import Paths
from pipeline.stage_table import BLEND, STAGES


def configuration(name: str, overrides: Sequence[str]) -> Config:
    """The configuration of the blend of that name, from overrides as "blend.of=[...]" and "blend.method=rank". A blend
    that is there already keeps what they do not give.

    Raises UserError where the name is a run's that trains, where no member is a run, and for a wrong setting.
    """
    if not RUN_NAME.fullmatch(name):
        raise UserError(f"blend {NAME_RULE}; got {name!r}")
    paths = Paths(name)
    if taken := [str(other) for other in STAGES.values() if other is not BLEND and paths.stage(other).exists()]:
        raise UserError(f"blend {name}: there is a run of this name with {', '.join(taken)}; choose another, or put "
                        f"[blend] into the run's own configuration")
    given = dict(loading.parsed(override) for override in overrides).get("blend.of")
    if paths.settings.exists():
        return loading.load(paths.settings, list(overrides))
    if not isinstance(given, list):
        raise UserError(f"blend {name}: --of RUN names its members, two or more")
    first = stage.first_run(given)
    if first is None:
        raise UserError(f"blend {name}: one member must be a run, whose rows, folds and metric are the blend's")
    base = FinishedStage.named(first).paths
    config = loading.load(base.settings, [*overrides, f"submit.stage={BLEND}", "submit.full_fit=", "seeds="], name)
    folds_file.copy(base.models, paths)
    return config

