"""Loads the embedding model in the background, so that pages answer at once and the first search is a quick one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import StrEnum

from services.errors import NearfieldError, Unavailable

log = logging.getLogger(__name__)

RETRY_S = 5.0


class ModelState(StrEnum):
    """How far the default model is."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Warmup:
    """One background thread that calls ``load`` until it succeeds.

    Args:
        load: loads the model and embeds something once, so that lazy parts are built too.
        model: its name, for messages.
    """

    def __init__(self, load: Callable[[], object], model: str) -> None:
        self._load = load
        self.model = model
        self._ready = threading.Event()
        self._settled = threading.Event()
        self._stop = threading.Event()
        self._error: NearfieldError | None = None
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> ModelState:
        """Loading, ready or failed (a failed one is tried again every 5 s)."""
        if self._ready.is_set():
            return ModelState.READY
        return ModelState.FAILED if self._error is not None else ModelState.LOADING

    @property
    def detail(self) -> str:
        """What is the matter, for people; "" when the model is ready."""
        if self._ready.is_set():
            return ""
        return self._error.message if self._error is not None else f"the model {self.model!r} is being loaded"

    def start(self) -> None:
        """Begins to load; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="model-warmup", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the retries; a load in progress is left to finish by itself."""
        self._stop.set()

    def wait(self, timeout_s: float) -> None:
        """Returns when the model is ready.

        Raises:
            Unavailable: it is still being loaded after ``timeout_s`` (code "model-loading").
            NearfieldError: the load failed: what it said.
        """
        if self._ready.is_set():
            return
        if self._thread is None:
            return  # nothing was asked to warm up: the search loads the model itself
        self._settled.wait(timeout_s)
        if self._ready.is_set():
            return
        if self._error is not None:
            raise self._error.with_traceback(None)  # the same error is raised many times; its trace must not grow
        raise Unavailable(
            f"the model {self.model!r} is still being loaded; try again in a few seconds",
            code="model-loading",
            retry_after_s=3,
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                self._load()
            except NearfieldError as error:
                self._fail(error)
            except Exception as error:  # a broken library must not end the thread in silence
                log.exception("loading the model failed")
                self._fail(
                    Unavailable(f"loading the model {self.model!r} failed ({type(error).__name__}); see the log")
                )
            else:
                self._error = None
                self._ready.set()
                self._settled.set()
                log.info("model %s ready after %.1f s", self.model, time.monotonic() - started)
                return
            self._stop.wait(RETRY_S)

    def _fail(self, error: NearfieldError) -> None:
        if self._error is None or self._error.message != error.message:
            log.error("the model %s cannot be used: %s", self.model, error.message)
        self._error = error
        self._settled.set()
