"""Encoders, heads and losses, and the network that they make."""
