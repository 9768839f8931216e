"""The command: one thin file a stage, ``python -m stages STAGE CONFIG``."""
