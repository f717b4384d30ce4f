"""From accepted documents to searchable ones."""
