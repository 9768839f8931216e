"""Tests of pipeline/pretraining/."""
