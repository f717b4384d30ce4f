"""The ledger: the truth about every accepted document, kept in one Redis that fsyncs each write.

It is made of four parts by idea: accepting, claiming (the workers' side), reading, upkeep. All transitions are Lua
scripts that take effect whole or not at all, go by Redis TIME and may be repeated.
"""

from __future__ import annotations

from services.ledger.accepting import Accepting
from services.ledger.claiming import Claiming
from services.ledger.envelopes import EnvelopeStore
from services.ledger.part import Limits
from services.ledger.reading import Reading
from services.ledger.redis_link import RedisLink
from services.ledger.upkeep import Upkeep
from services.redis_clients import Client


class Ledger(Accepting, Claiming, Reading, Upkeep):
    """One ledger; safe to share between threads.

    Args:
        client: of the ledger Redis, replies as bytes.
        envelopes: where accepted documents are stored.
        limits: attempts and time per document.
    """

    def __init__(self, client: Client, envelopes: EnvelopeStore, limits: Limits | None = None) -> None:
        super().__init__(RedisLink(client), envelopes, limits or Limits())
