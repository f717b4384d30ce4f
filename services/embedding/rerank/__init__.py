"""Rerankers: models that read question and passage closely, for the best hits of a search."""
