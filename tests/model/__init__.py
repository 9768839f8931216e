"""Tests of pipeline/model/."""
