"""A finished run in memory and over HTTP."""
