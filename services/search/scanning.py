"""Whether the Query Engine is still reading existing chunks into an index, as it does for seconds after a restart.

Until it has read them all a search finds only some of them, and nothing in its reply says so. FT.INFO does; asking it
with every search would be a round trip for nothing, so an answer is remembered for a second.
"""

from __future__ import annotations

from collections.abc import Callable

from services.collections.values import Collection
from services.index.protocol import VectorIndex

MEMORY_S = 1.0


class ScanWatch:
    """Remembers per collection; may be shared between threads.

    Args:
        index: asked by ``info``.
        clock: seconds, monotonic.
    """

    def __init__(self, index: VectorIndex, clock: Callable[[], float]) -> None:
        self._index = index
        self._clock = clock
        self._known: dict[str, tuple[float, bool]] = {}

    def is_scanning(self, collection: Collection) -> bool:
        """Whether answers may be incomplete, as of at most a second ago.

        Raises:
            IndexRebuilding: the index does not exist. Unavailable: it does not answer.
        """
        known = self._known.get(collection.id)
        now = self._clock()
        if known is not None and now < known[0]:
            return known[1]
        scanning = self._index.info(collection).indexing
        self._known[collection.id] = (now + MEMORY_S, scanning)
        return scanning
