"""Collections: a named set of documents that share a model, a chunking and declared fields."""
