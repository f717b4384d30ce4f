"""What every part of the ledger stands on."""

from __future__ import annotations

from dataclasses import dataclass

from services.ledger.envelopes import EnvelopeStore
from services.ledger.redis_link import RedisLink


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the ledger is patient with one document.

    ``first_pause_ms`` is waited after the first failed attempt, four times as long after the second.
    """

    attempts: int = 3
    deadline_s: int = 900
    first_pause_ms: int = 1000

    @property
    def deadline_us(self) -> int:
        """The deadline as the scripts count."""
        return self.deadline_s * 1_000_000


class LedgerPart:
    """The connection and limits that the parts of ``Ledger`` share. ``link`` is open to the keeper's own reads."""

    def __init__(self, link: RedisLink, envelopes: EnvelopeStore, limits: Limits) -> None:
        self.link = link
        self._envelopes = envelopes
        self._limits = limits
