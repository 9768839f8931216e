"""Read and validate everything, train nothing, and say what a run will do.

Example: python -m stages check configs/example.toml
"""

from pipeline.config import loading
from pipeline.doctor import inspection
from pipeline.machine.console import say
from pipeline.runs import opening
from stages import options


def check(config: options.ConfigPath, overrides: options.Set = None, name: options.NewName = None) -> None:
    run = opening.read(loading.load(config, overrides, name))
    for line in inspection.lines(run):
        say(line)
    warnings = inspection.warnings(run)
    for line in warnings:
        say(f"warning: {line}")
    say(f"{config}: everything can be read" + ("; each warning above is about something that will cost score"
                                               if warnings else ", and everything checked is in order"))
    for line in inspection.next_commands(options.call(config, overrides, name)):
        say(f"next: {line}")
