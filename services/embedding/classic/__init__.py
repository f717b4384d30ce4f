"""Embeddings from before neural networks: counts of words and n-grams, and what words stand together."""
