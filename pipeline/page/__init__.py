"""The report as one HTML page in which a person looks at every row."""
