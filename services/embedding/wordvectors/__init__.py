"""A vector per word, trained here or published by others, and a text as their weighted mean."""
