"""A lease in hand: kept by progress, and only by progress."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.ledger.ledger import Ledger
from services.ledger.values import Claim, LeaseLost


class Lease:
    """One claim's token while it is worked on.

    Args:
        ledger: that gave the claim.
        claim: the claim.
        lease_ms: how long it lasts without progress.
        on_progress: told of every step, for the heartbeat.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        ledger: Ledger,
        claim: Claim,
        *,
        lease_ms: int,
        on_progress: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.claim = claim
        self._ledger = ledger
        self._lease_ms = lease_ms
        self._on_progress = on_progress
        self._clock = clock
        self._renewed = clock()

    @property
    def token(self) -> str:
        """What the ledger knows the lease by."""
        return self.claim.token

    def heartbeat(self) -> None:
        """Notes a step forward without asking whether anything is still held."""
        self._on_progress()

    def progress(self) -> None:
        """Notes a step forward; renews the lease once a quarter of it has passed.

        Raises:
            LeaseLost: nothing is held any more; whatever is in hand belongs to somebody else.
        """
        self._on_progress()
        now = self._clock()
        if (now - self._renewed) * 4000 < self._lease_ms:
            return
        if not self._ledger.renew(self.token, self._lease_ms):
            raise LeaseLost("the lease ran out while its documents were worked on; drop what was made of them")
        self._renewed = now
