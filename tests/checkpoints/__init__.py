"""Tests of pipeline/checkpoints/."""
