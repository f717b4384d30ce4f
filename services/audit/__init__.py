"""Compares what was accepted with what can be found, says in words what differs, and repairs it when asked to."""
