"""Look at the data before hours are spent: copies, shifts, leaks, wrong labels, debris, each with what to do.

Trains no network; tf-idf is fitted where a finding is worth a number. A code is silenced by doctor.silence.
Example: python -m stages doctor configs/example.toml
"""

from pipeline.config import loading
from pipeline.doctor import checks
from pipeline.doctor.examined import Examined
from pipeline.files import formats
from pipeline.machine.console import progress, say
from pipeline.runs import opening
from stages import options


def doctor(config: options.ConfigPath, overrides: options.Set = None, name: options.NewName = None) -> None:
    run = opening.read(loading.load(config, overrides, name))
    results = []
    with progress("doctor", len(checks.CHECKS) - len(run.config.doctor.silence), 0) as advance:
        for result in checks.examine(Examined(run)):
            results.append(result)
            advance()
    found = [(check, finding) for check, finding in results if finding is not None]
    for line in checks.lines(found):
        say(line)
    path = run.paths.oof / checks.FILE
    formats.write(path, checks.record(run, results))
    say(f"doctor: {len(found)} findings of {len(results)} checks: {path}")
