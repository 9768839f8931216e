"""A run: its cells, what each of them means, where it is kept, and who fits it."""
