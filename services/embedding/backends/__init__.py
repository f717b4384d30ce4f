"""Runtimes behind the transformer families: which one a model runs on, and the runtimes themselves."""
