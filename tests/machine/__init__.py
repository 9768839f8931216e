"""Tests of pipeline/machine/."""
