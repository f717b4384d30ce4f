"""Models trained on a collection: what was asked for, how far it is, and the work itself."""
