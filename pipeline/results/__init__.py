"""What finished cells say: tables, the report, plots, the submission."""
