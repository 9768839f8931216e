"""Blends: predictions of several runs, and of other people, joined to one, with an estimate that choosing does not
flatter."""
