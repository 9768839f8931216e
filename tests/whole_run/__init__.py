"""Tests that drive whole runs, as a user would."""
