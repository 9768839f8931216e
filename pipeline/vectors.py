"""``TextVectors`` under its old name; it is in pipeline.inference.text_vectors now."""

from pipeline.inference.text_vectors import TextVectors

__all__ = ["TextVectors"]
