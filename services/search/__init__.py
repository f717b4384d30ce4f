"""From a question to ranked documents, each with its best passage."""
