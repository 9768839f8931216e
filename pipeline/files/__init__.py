"""What is read is looked at first, and what is written is whole."""
