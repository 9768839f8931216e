"""The formats that texts come in: each reader gives a table of str, its index the place of each row."""
