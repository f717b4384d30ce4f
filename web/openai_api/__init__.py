"""The embeddings as programs written for OpenAI ask for them: ``/v1/embeddings`` and ``/v1/models``."""
