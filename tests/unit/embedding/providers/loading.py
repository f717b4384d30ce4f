"""A provider's model loaded as a user would."""

from __future__ import annotations

from typing import Any

from services.embedding.options import LoadOptions
from services.embedding.providers.embedder import ProviderEmbedder
from services.embedding.registry import ModelRegistry
from tests.providers import (
    ProviderServer,
)

NAMES = ("openai:test-embed", "azure:test-embed", "cohere:test-embed")


def load(server: ProviderServer, name: str = NAMES[0], **more: Any) -> ProviderEmbedder:
    options = server.options(**{"queries_s": 2.0, "documents_s": 2.0, **more})
    loaded = ModelRegistry(LoadOptions(providers=options)).load(name)
    assert isinstance(loaded, ProviderEmbedder)
    return loaded
