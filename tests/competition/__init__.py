"""Tests of pipeline/competition/."""
