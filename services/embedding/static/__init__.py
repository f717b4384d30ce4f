"""Static embeddings: a fixed vector per token, no network at work. Tokenizers and numpy are enough."""
