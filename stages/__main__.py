"""``python -m stages``: settles what must be settled before anything is imported, then runs stages/command.py."""

from pipeline.machine import interrupts, large_pages

if __name__ == "__main__":
    large_pages.restart()
    interrupts.end_within()
    from stages.command import main

    try:
        main()
    except SystemExit as end:
        if end.code in (130, 143):
            interrupts.leave(end.code)
        raise
