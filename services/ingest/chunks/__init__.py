"""A text cut into chunks."""
