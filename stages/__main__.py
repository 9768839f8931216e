"""``python -m stages``: settles what must be settled before anything is imported, then runs stages/command.py."""

from pipeline import interrupts, jobs

if __name__ == "__main__":
    jobs.restart_with_large_pages()
    interrupts.end_within()
    from stages.command import main

    try:
        main()
    except SystemExit as end:
        if end.code in (130, 143):
            interrupts.leave(end.code)
        raise
