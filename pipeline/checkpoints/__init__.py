"""Encoders on disk: dimensions, tensor names, Google's and Hugging Face's formats."""
