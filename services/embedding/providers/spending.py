"""What providers were asked for by all processes of an instance, kept on its ledger Redis."""

from __future__ import annotations

import logging

import redis

from services.embedding.providers.options import is_provider_name
from services.embedding.providers.usage import Usage
from services.ids import PREFIX
from services.ledger.redis_link import redis_errors
from services.redis_clients import Client

_KEY = f"{PREFIX}:provider-usage"
_PARTS = ("requests", "texts", "tokens")

log = logging.getLogger(__name__)


class Spending:
    """Sums by model since the ledger began; an answer that was paid for and a process that died then may be missing.

    Args:
        client: of the ledger Redis, replies as bytes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def add(self, name: str, texts: int, tokens: int) -> None:
        """Notes one answered request. A server that is away costs the note, not the vectors."""
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for part, count in zip(_PARTS, (1, texts, tokens), strict=True):
                    pipeline.hincrby(_KEY, f"{name} {part}", count)
                pipeline.execute()
        except redis.RedisError as error:
            log.warning("%s: %d tokens were not added to the sums (%s)", name, tokens, type(error).__name__)

    def of(self, name: str, price: float | None) -> Usage | None:
        """The sums of a provider's model; None for other models.

        Args:
            price: of a million tokens, None when unknown; what was asked at another price counts as if at this one.
        """
        if not is_provider_name(name):
            return None
        with redis_errors("ledger"):
            found = self._client.hmget(_KEY, [f"{name} {part}" for part in _PARTS])
        requests, texts, tokens = (int(each or 0) for each in found)
        return Usage(requests, texts, tokens, None if price is None else tokens * price / 1e6)
