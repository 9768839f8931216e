"""Fitting one cell of stage 0: masked-language-model training."""
