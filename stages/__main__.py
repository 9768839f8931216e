"""``python -m stages``: settles what must be settled before anything is imported, then runs stages/command.py."""

from pipeline import interrupts, jobs

if __name__ == "__main__":
    jobs.restart_with_large_pages()
    interrupts.end_within()
    from stages.command import main

    main()
