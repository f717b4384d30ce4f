"""From bytes to searchable chunks: accept, read, extract, cut, embed, write; every step safe to repeat."""
