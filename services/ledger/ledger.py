"""The ledger: the truth about every accepted document, kept in one Redis that fsyncs each write.

It is made of parts by idea: accepting, claiming (the workers' side), reading and finding, upkeep. All transitions are
Lua scripts that take effect whole or not at all, go by Redis TIME and may be repeated.
"""

from __future__ import annotations

from services.ledger.accepting import Accepting
from services.ledger.claiming import Claiming
from services.ledger.envelopes import EnvelopeStore
from services.ledger.finding import Finding
from services.ledger.part import Limits
from services.ledger.redis_link import RedisLink
from services.ledger.upkeep import Upkeep
from services.redis_clients import Client


class Ledger(Accepting, Claiming, Finding, Upkeep):
    """One ledger; safe to share between threads.

    Args:
        client: of the ledger Redis, replies as bytes.
        envelopes: where accepted documents are stored.
        limits: attempts and time per document.
    """

    def __init__(self, client: Client, envelopes: EnvelopeStore, limits: Limits | None = None) -> None:
        super().__init__(RedisLink(client), envelopes, limits or Limits())
