"""The search index: schema, filters and queries as pure text, and the one adapter that talks to the Query Engine."""
