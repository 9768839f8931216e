"""Encoders: token ids to token vectors. One module for each attention; every one keeps the contract of
``encoder.Encoder``, which tests/contracts.py holds."""
