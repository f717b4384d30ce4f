"""The ``nearfield`` command."""
