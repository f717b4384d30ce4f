"""A provider's model as an embedder: texts in batches over HTTP, a few requests at a time, every answer checked."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.directions import fixed_direction
from services.embedding.options import LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.providers.calls import Caller
from services.embedding.providers.network import Deadline
from services.embedding.providers.options import ProviderOptions, is_in_the_open
from services.embedding.providers.specs import wire_of
from services.embedding.providers.tokens import EstimatedTokens, cut
from services.embedding.providers.usage import Usage, UsageCounter
from services.embedding.providers.wire import BadAnswer, Limits
from services.embedding.spec import ModelSpec, Role
from services.embedding.texts import prepare_texts
from services.errors import ModelError

log = logging.getLogger(__name__)

PARALLEL = 4
"""Requests side by side. Rate limits of providers are per minute: more would only meet them sooner."""

_MOST_KEPT = 4096
_TOLERANCE = 1e-3
"""Providers compute in half precision and in batches of their own: the same text twice is not quite the same vector."""


class ProviderEmbedder:
    """Asks a provider. Blank texts are not sent: providers refuse them. They share one fixed vector.

    Args:
        spec: of ``specs.provider_spec``.
        options: where the provider is, and how long it may take.
    """

    special_tokens = 0

    def __init__(self, spec: ModelSpec, options: ProviderOptions) -> None:
        self.spec = spec
        self.tokens = EstimatedTokens()
        self._options = options
        self._wire = wire_of(spec, options)
        self._caller = Caller(spec.name, self._wire.endpoint.key)
        if self._wire.endpoint.key and is_in_the_open(self._wire.endpoint.url):
            log.warning("%s: key and texts go to %s without encryption; use https", spec.name, self._wire.endpoint.url)
        self._usage = UsageCounter(options.known(spec.name).price)
        self._kept = _Kept()
        self.runtime = Runtime("http", "as the provider computes", f"asked at {spec.source}", _TOLERANCE)

    def usage(self) -> Usage:
        """What was asked for since the process started."""
        return self._usage.usage()

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``.

        Raises:
            Unavailable: the provider did not answer in time, or not in a readable way.
            ModelError: it refused for good, or its vectors are not those of the model.
        """
        return self._embed(texts, Role.QUERY, self._options.queries_s)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``; raises as ``embed_queries``."""
        return self._embed(texts, Role.DOCUMENT, self._options.documents_s)

    def _embed(self, texts: Sequence[str], role: Role, limit_s: float) -> NDArray[np.float32]:
        limit = self.spec.max_tokens
        prepared = [cut(text, limit) for text in prepare_texts(texts, limit)]
        # equal texts are asked for, and paid for, once
        asked = list(dict.fromkeys(text for text in prepared if text.strip()))
        if not prepared:
            return np.empty((0, self.spec.dim), dtype=np.float32)
        vectors = self._kept.of(role, asked)
        missing = [text for text in asked if text not in vectors]
        vectors.update(zip(missing, self._ask(missing, role, limit_s), strict=True))
        self._kept.drop(role, asked)
        blank = fixed_direction(self.spec.dim).astype(np.float32)
        return np.stack([vectors.get(text, blank) for text in prepared])

    def _ask(self, texts: Sequence[str], role: Role, limit_s: float) -> list[NDArray[np.float32]]:
        batches = list(plan_requests([self.tokens.count(text) for text in texts], self._wire.limits))
        deadline = Deadline(limit_s)
        if len(batches) <= 1:
            return list(self._request(texts, role, deadline)) if texts else []
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="provider") as pool:
            running = [pool.submit(self._request, texts[batch.start : batch.stop], role, deadline) for batch in batches]
            try:
                done, _ = wait(running, return_when=FIRST_EXCEPTION)
                for request in done:
                    request.result()
            except BaseException as error:  # noqa: BLE001 - it, or what it followed from, is raised again below
                deadline.call_off(error)
                pool.shutdown(wait=True, cancel_futures=True)
                for request, batch in zip(running, batches, strict=True):
                    if not request.cancelled() and request.exception() is None:
                        self._kept.put(role, texts[batch.start : batch.stop], request.result())
                raise deadline.cause or error from None
            return [vector for request in running for vector in request.result()]

    def _request(self, texts: Sequence[str], role: Role, deadline: Deadline) -> NDArray[np.float32]:
        began = time.monotonic()
        try:
            answer = self._caller.ask(self._wire.question(texts, role), deadline)
        except BaseException as error:
            # here, not by the waiting thread: this thread would take up and pay for the next request before that wakes
            deadline.call_off(error)
            raise
        try:
            vectors, tokens = self._wire.rows(answer, len(texts))
        except BadAnswer as error:
            raise self._wrong(str(error)) from None
        except ValueError as error:
            raise self._caller.unusable(f"it is no JSON ({error})") from None
        if vectors.shape[1] != self.spec.dim:
            raise self._wrong(f"its vectors have {vectors.shape[1]} numbers, those of the model have {self.spec.dim}")
        counted = sum(map(self.tokens.count, texts)) if tokens is None else tokens
        self._usage.add(len(texts), counted)
        self._options.tell(self.spec.name, len(texts), counted)
        took_ms = 1000 * (time.monotonic() - began)
        log.debug("%s: %d texts, %d tokens, %.0f ms", self.spec.name, len(texts), counted, took_ms)
        return vectors

    def _wrong(self, what: str) -> ModelError:
        return ModelError(
            f"the provider of {self.spec.name} sent a wrong answer: {self._caller.clean(what)}. Nothing of it was "
            "used; look whether its URL and the model's name are right, and whether the model was changed there",
            code="provider-wrong-answer",
        )


class _Kept:
    """What was answered in calls that failed as a whole: paid for, and not asked again when the call is repeated.

    So a slow provider gets through many texts in the end, although each call has a time limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vectors: dict[tuple[Role, str], NDArray[np.float32]] = {}

    def put(self, role: Role, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        with self._lock:
            if len(self._vectors) + len(texts) > _MOST_KEPT:
                self._vectors.clear()
            self._vectors.update(((role, text), vector) for text, vector in zip(texts, vectors, strict=True))

    def of(self, role: Role, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        with self._lock:
            return {text: self._vectors[role, text] for text in texts if (role, text) in self._vectors}

    def drop(self, role: Role, texts: Sequence[str]) -> None:
        with self._lock:
            for text in texts if self._vectors else ():
                self._vectors.pop((role, text), None)


def load_provider(spec: ModelSpec, folder: Path, options: LoadOptions) -> ProviderEmbedder:  # noqa: ARG001
    """The family's loader. Nothing is connected to."""
    return ProviderEmbedder(spec, options.providers)


def plan_requests(tokens: Sequence[int], limits: Limits) -> Iterator[range]:
    """Cuts texts, in their order, into requests within the provider's limits; a larger text goes alone.

    Args:
        tokens: of each text.
    """
    start = total = 0
    for number, count in enumerate(tokens):
        if number > start and (number - start >= limits.texts or total + count > limits.tokens):
            yield range(start, number)
            start, total = number, 0
        total += count
    if start < len(tokens):
        yield range(start, len(tokens))
