"""Every key of a run's configuration: one module for each part of its file."""
