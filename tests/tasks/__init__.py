"""Tests of pipeline/tasks/."""
