"""A configuration proposed from a competition's files: every choice with its reason, every doubt as a question."""
