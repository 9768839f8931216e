"""Names of encoders on the Hugging Face Hub: hf:owner/name or hf:owner/name@revision."""

import re
from pathlib import Path
from typing import NamedTuple

PREFIX = "hf:"
FETCHED = Path("data/bert")  # the folder that fetched encoders lie in
RULE = "must be hf:OWNER/NAME or hf:OWNER/NAME@REVISION, as the hub's page is called"
PART = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"
WRONG = re.compile(r"--|\.git$")  # in what the hub calls a repository
NAME = re.compile(rf"hf:(?P<repository>(?:{PART}/)?{PART})(?:@(?P<revision>[\w./-]{{1,100}}))?", re.ASCII)


class HubName(NamedTuple):
    """repository: owner/name; revision: a branch, a tag or a commit; empty: the newest of the main branch."""

    repository: str
    revision: str

    @property
    def folder(self) -> Path:
        """Where the encoder lies once it is fetched: one folder for each revision that is named."""
        place = f"{self.repository}@{self.revision.replace('/', '-')}" if self.revision else self.repository
        return FETCHED / place

    def __str__(self) -> str:
        return PREFIX + self.repository + (f"@{self.revision}" if self.revision else "")


def parse(source: str) -> HubName | None:
    """What a name on the hub says; None for a path, and for what begins like a name and is none."""
    match = NAME.fullmatch(source)
    if not match or ".." in source or WRONG.search(match["repository"]):
        return None
    return HubName(match["repository"], match["revision"] or "")


def folder(source: str) -> Path:
    """The folder of an encoder: the path itself, or where the encoder of that name lies once it is fetched."""
    name = parse(source)
    return name.folder if name else Path(source)
