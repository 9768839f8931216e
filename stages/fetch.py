"""Fetch an encoder from the Hugging Face Hub into data/bert/, verified by its hashes, for a run here or offline.

Example: python -m stages fetch hf:hfl/chinese-roberta-wwm-ext          (a mirror: HF_ENDPOINT=https://hf-mirror.com)
"""

from typing import Annotated

import typer

from pipeline.checkpoints import hub
from pipeline.config import hub_names
from pipeline.errors import UserError
from pipeline.machine.console import say


def fetch(name: Annotated[str, typer.Argument(help="OWNER/NAME, as its page is called, or OWNER/NAME@REVISION.")]
          ) -> None:
    parsed = hub_names.parse(name if name.startswith(hub_names.PREFIX) else hub_names.PREFIX + name)
    if parsed is None:
        raise UserError(f"{hub_names.RULE}; got {name!r}")
    folder = hub.fetch(parsed)
    if hub.is_pickled(folder):
        say(f"next: python -m stages convert {folder} {folder}-safe --to huggingface   (its weights are a pickle, "
            f"which only that reads)", always=True)
    else:
        say(f"next: bert.checkpoint = \"{parsed}\" in a configuration, or --set bert.checkpoint={parsed}", always=True)
