"""The organiser's files to validated tables to folds."""
