"""The screen, signals, and what this machine has."""
