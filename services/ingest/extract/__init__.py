"""Reading documents: one module per format, one registry line each (``registry.py``)."""
