"""``python -m stages``: every stage is a command; errors meant for the user are lines without a traceback."""

import importlib
import sys
import traceback

import typer

from pipeline.errors import UserError
from pipeline.interrupts import Terminated

NAMES = ("check", "folds", "baseline", "pretrain", "stage1", "stage2", "report", "submit", "keys", "new_checkpoint")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
                  help="Staged, cross-validated BERT for text-classification competitions.")
for _name in NAMES:
    _module = importlib.import_module(f"stages.{_name}")
    app.command(_name.replace("_", "-"), help=_module.__doc__)(getattr(_module, _name))


def main() -> None:
    """Runs the command and turns exceptions into exit codes; docs/formats.md lists them."""
    try:
        app()
    except UserError as error:
        for problem in error.problems:
            print("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in problem), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Terminated:
        sys.exit(143)
    except Exception:  # noqa: BLE001, a bug is the one thing that shows a traceback
        traceback.print_exc()
        print("this is a bug in the pipeline, not in your input; please report it with the lines above",
              file=sys.stderr)
        sys.exit(7)
