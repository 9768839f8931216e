"""``python -m stages``: settles what must be settled before anything is imported, then runs stages/command.py."""

from pipeline import jobs

if __name__ == "__main__":
    jobs.restart_with_large_pages()
    from stages.command import main

    main()
