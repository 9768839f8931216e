"""``python -m stages``: every stage is a command; errors meant for the user are lines without a traceback."""

import ast
import errno
import importlib
import keyword
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import typer
from rich.markup import escape

from pipeline.errors import DiskError, UserError, visible
from pipeline.machine.interrupts import Terminated

NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)  # what a disk says that takes no more
NAMES = ("all", "new", "check", "doctor", "folds", "baseline", "pretrain", "stage1", "stage2", "full_fit", "blend",
         "report", "submit", "runs", "import", "keys", "fetch", "new_checkpoint", "convert", "predict", "evaluate",
         "encode", "export", "bundle", "serve")


def command_line(arguments: list[str]) -> typer.Typer:
    """The command. Only the stage that the arguments name is imported; of the others --help shows their docstrings."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                      rich_markup_mode="rich")
    app.callback(help="Staged, cross-validated BERT for text-classification competitions.")(lambda: None)
    for name in NAMES:
        if name.replace("_", "-") in arguments:
            module = importlib.import_module(f"stages.{name}")
            function = getattr(module, f"{name}_" if keyword.iskeyword(name) else name)
            app.command(name.replace("_", "-"), help=escape(module.__doc__ or ""))(function)
        else:
            source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
            app.command(name.replace("_", "-"), help=escape(ast.get_docstring(ast.parse(source)) or ""))(lambda: None)
    return app


def main() -> None:
    """Runs the command and turns exceptions into exit codes; docs/exit_codes.md lists them."""
    try:
        command_line(sys.argv[1:])()
    except UserError as error:
        _tell(error)
    except OSError as error:
        if error.errno not in NOT_WRITTEN:
            _tell_bug()
        _tell(DiskError(f"{error.filename or 'a file'}: cannot be written: {error.strerror}"))
    except KeyboardInterrupt:
        sys.exit(130)
    except Terminated:
        sys.exit(143)
    except Exception:  # noqa: BLE001
        _tell_bug()


def _tell(error: UserError) -> NoReturn:
    for problem in error.problems:
        print(visible(problem), file=sys.stderr)
    sys.exit(error.exit_code)


def _tell_bug() -> NoReturn:
    """A bug is the one thing that shows a traceback."""
    for line in traceback.format_exc().splitlines():
        print(visible(line), file=sys.stderr)
    print("this is a bug in the pipeline, not in your input; please report it with the lines above", file=sys.stderr)
    sys.exit(7)
