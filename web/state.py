"""What the routes of one process share: services, a short memory of collections, the model's warm-up, event streams."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import flask

from services.collections.values import Collection
from services.errors import NotFound
from services.search.service import SearchAnswer, SearchRequest
from services.settings import Settings
from services.wiring import Services
from web.slots import UploadSlots
from web.warmup import Warmup

STATE_KEY = "nearfield"
COLLECTION_MEMORY_S = 1.0
MAX_REMEMBERED = 1000
MODEL_WAIT_S = 5.0
MAX_STREAMS = 8


@dataclass(slots=True)
class WebState:
    """One per application.

    ``stopping`` is set when the process is asked to stop: streams end then. ``streams`` counts the event streams that
    may run at once, because each holds a thread; ``uploads`` what may be taken in at once.
    """

    services: Services
    settings: Settings
    warmup: Warmup
    uploads: UploadSlots
    stopping: threading.Event = field(default_factory=threading.Event)
    streams: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MAX_STREAMS))
    _seen: dict[str, tuple[float, Collection]] = field(default_factory=dict)

    def collection(self, name: str) -> Collection:
        """The collection of that name as the ledger has it now.

        Raises:
            NotFound: there is none; the pointer names the path parameter.
        """
        try:
            return self.services.collections.get(name)
        except NotFound as error:
            error.pointer = error.pointer or "/name"
            raise

    def remembered_collection(self, name: str) -> Collection:
        """The same, remembered for a second: for searches, which then cost no round trip to the ledger.

        Never for writes: they would go to a collection that was just deleted.
        """
        known = self._seen.get(name)
        now = time.monotonic()
        if known is not None and now < known[0]:
            return known[1]
        collection = self.collection(name)
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.clear()
        self._seen[name] = (now + COLLECTION_MEMORY_S, collection)
        return collection

    def forget_collection(self, name: str) -> None:
        """Drops what is remembered, after a rename or a delete."""
        self._seen.pop(name, None)

    def search(self, collection: Collection, request: SearchRequest) -> SearchAnswer:
        """Searches; while the model is still being loaded, waits for it up to 5 s.

        Raises:
            Unavailable: code "model-loading" when the model is not there by then.
            NearfieldError: whatever the search itself raises.
        """
        # Another model of the registry loads by itself. Any other name is the default's (a folder under its full path).
        if collection.model == self.warmup.model or collection.model not in self.services.models.names():
            self.warmup.wait(MODEL_WAIT_S)
        return self.services.search.search(collection, request)


def web_state() -> WebState:
    """The state of the application that handles the present request."""
    state: WebState = flask.current_app.extensions[STATE_KEY]
    return state
