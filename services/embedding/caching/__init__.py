"""Vectors that were computed before: of queries in the memory of a process, of documents in the data folder."""
