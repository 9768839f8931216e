"""Fitting one cell of stage 1 or 2."""
