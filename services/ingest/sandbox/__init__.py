"""Untrusted files are read in short-lived child processes: a file can end its child, and nothing else."""
