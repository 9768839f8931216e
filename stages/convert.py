"""Write a checkpoint in the other format: Google's (bert_model.ckpt.*) or Hugging Face's (model.safetensors).

Tensors and outputs of both are compared. Also reads a pytorch_model.bin, where torch is installed.
Example: python -m stages convert data/bert/chinese_L-12_H-768_A-12 data/bert/chinese-hf
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.checkpoints import hub
from pipeline.errors import UserError
from pipeline.machine.console import say


class Format(StrEnum):
    google = "google"
    huggingface = "huggingface"


def convert(
        source: Annotated[str, typer.Argument(help="A checkpoint's folder, or its name on the hub.")],
        target: Annotated[Path, typer.Argument(help="Where to put it; must not exist.")],
        to: Annotated[Format | None, typer.Option(help="The format to write; default: the other one.")] = None,
        tanh_gelu: Annotated[bool, typer.Option("--tanh-gelu", help="Write an encoder with the exact GELU in Google's "
                                                "format, which has its approximation by tanh.")] = False) -> None:
    if os.path.lexists(target):
        raise UserError(f"{target}: exists already; choose another folder")
    from pipeline.export import conversion  # imports TensorFlow

    say(f"convert: {target}: {conversion.convert(hub.opened(source), target, to, tanh_gelu)}")
