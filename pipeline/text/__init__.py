"""Texts to token ids to packed batches; vocabularies and corpora."""
