"""The library: competition tables in; out-of-fold predictions, reports and submissions out."""
