"""A finished run, or a checkpoint, in another form: written, loaded again and compared."""
