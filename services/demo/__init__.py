"""The demo collection: the docstrings of Python's standard library."""
