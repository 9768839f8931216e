"""Tests of pipeline/inference/."""
