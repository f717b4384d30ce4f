"""A pipeline on real Redis servers with the hash model, worked off by hand."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.collections.store import NewCollection
from services.collections.values import Chunking, Collection, FieldSpec
from services.embedding.protocol import Embedder, TokenCounter
from services.embedding.spec import ModelSpec
from services.ingest.accept import Acceptor
from services.ingest.extract import registry
from services.ingest.extract.types import Extractor
from services.ingest.pipeline.drain import DrainReport, IngestPipeline
from services.ingest.rows.tabular import read_rows
from services.ingest.sandbox.limits import SandboxLimits
from services.ingest.sandbox.results import RowSlice
from services.ingest.sandbox.sandbox import FileReader, Sandbox
from services.ingest.values import Extracted
from services.ledger.bodies import Body, body_bytes, body_file
from services.ledger.ledger import Ledger
from services.ledger.part import Limits
from services.ledger.values import AcceptAnswer, DocumentRecord, JobCounts
from services.redis_clients import BULK
from services.search.values import Hit, SearchRequest
from services.settings import load_settings
from services.wiring import Services, build_services
from tests.conftest import RedisPair

FAST = Limits(first_pause_ms=5)


@dataclass
class Bells:
    """A doorbell that remembers."""

    rung: list[str] = field(default_factory=list)
    purges: list[str] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)

    def ring(self, collection_id: str) -> None:
        self.rung.append(collection_id)

    def purge(self, collection_id: str) -> None:
        self.purges.append(collection_id)

    def train(self, training_id: str) -> None:
        self.trainings.append(training_id)


@dataclass
class Watched:
    """An embedder that remembers what it was given, and fails for texts with a certain word."""

    inner: Embedder
    calls: list[list[str]]
    bad_word: str = "unembeddable"

    @property
    def spec(self) -> ModelSpec:
        return self.inner.spec

    @property
    def tokens(self) -> TokenCounter:
        return self.inner.tokens

    @property
    def special_tokens(self) -> int:
        return self.inner.special_tokens

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.inner.embed_queries(texts)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if any(self.bad_word in text for text in texts):
            raise RuntimeError("the model broke")
        self.calls.append(list(texts))
        return self.inner.embed_documents(texts)


@dataclass
class WatchedModels:
    """The registry of a pipeline whose embeddings are watched."""

    inner: Any
    calls: list[list[str]] = field(default_factory=list)

    def load(self, name: str) -> Watched:
        return Watched(self.inner.load(name), self.calls)

    def spec(self, name: str) -> ModelSpec:
        spec: ModelSpec = self.inner.spec(name)
        return spec


class ReadInside:
    """Reads files in the test's own process, by readers that a test brings along."""

    def extract(
        self, media_type: str, body: Body, *, name: str, max_text_bytes: int, tick: Callable[[], None]
    ) -> Extracted:
        return registry.extract(media_type, body_bytes(body), max_text_bytes=max_text_bytes, tick=tick)

    def rows(self, media_type: str, body: Body, *, name: str, after: int, tick: Callable[[], None]) -> RowSlice:
        return RowSlice(tuple(read_rows(media_type, body_file(body), after=after)), more=False)


@cache
def shared_sandbox() -> Sandbox:
    """One fork server for all tests of this process."""
    return Sandbox(Path(tempfile.mkdtemp(prefix="nft-")), SandboxLimits())


@dataclass
class Jumps:
    """A clock that moves at every look, so that slices are over soon without waiting."""

    step_s: float
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


@dataclass
class Workshop:
    """Services, a collection and a pipeline."""

    services: Services
    bells: Bells
    embedded: list[list[str]]
    collection: Collection

    def pipeline(self, **options: Any) -> IngestPipeline:
        return IngestPipeline(self.services, **options)

    def drain(self, limit_s: float = 60.0, **options: Any) -> DrainReport:
        """Works until nothing is waiting any more, also not for the end of a pause."""
        pipeline = self.pipeline(**options)
        deadline = time.monotonic() + limit_s
        done = failed = 0
        while True:
            report = pipeline.drain(self.collection.id)
            done, failed = done + report.done, failed + report.failed
            if not report.more and self.services.ledger.in_flight(self.collection.id) == 0:
                return DrainReport(done, failed, more=False)
            assert time.monotonic() < deadline, "not drained in time"

    def record(self, document_id: str) -> DocumentRecord:
        record = self.services.ledger.document(self.collection.id, document_id)
        assert record is not None, document_id
        return record

    def states(self) -> dict[str, str]:
        page = self.services.ledger.documents(self.collection.id, limit=5000)
        return {record.id: record.state.value for record in page.items}

    def counts(self, answer: AcceptAnswer) -> JobCounts:
        return self.services.jobs.get(answer.job_id).counts

    def search(self, query: str, **more: Any) -> tuple[Hit, ...]:
        return tuple(self.services.search.search(self.collection, SearchRequest(query, **more)).hits)

    def texts_embedded(self) -> int:
        return sum(map(len, self.embedded))


def make_workshop(
    pair: RedisPair,
    folder: Path,
    *fields: FieldSpec,
    chunking: Chunking | None = None,
    limits: Limits = FAST,
    files: FileReader | None = None,
    **settings: Any,
) -> Workshop:
    """A workshop on ``pair`` with its data in ``folder``; ``files`` reads files, in a shared sandbox by default."""
    bells = Bells()
    values = {"data_dir": folder, "ledger_url": pair.ledger.url, "index_url": pair.index.url, "model": "hash"}
    values["vector_cache_mb"] = 0  # what goes through the model is counted: the cache would hide what is done twice
    services = build_services(load_settings({}, **{**values, **settings}), doorbell=bells, profile=BULK)
    ledger = Ledger(services.ledger_client, services.envelopes, limits)
    models: Any = WatchedModels(services.models)
    services = replace(
        services,
        ledger=ledger,
        models=models,
        sandbox=files or shared_sandbox(),  # type: ignore[arg-type]
        acceptor=Acceptor(ledger, bells, max_document_bytes=services.settings.max_document_bytes),
    )
    spec = services.models.spec("hash")
    new = NewCollection("docs", "hash", spec.fingerprint, spec.dim, chunking=chunking or Chunking(), fields=fields)
    collection = services.collections.create(new)
    services.index.create(collection)
    return Workshop(services, bells, models.calls, collection)


@contextmanager
def reader(media_type: str, extractor: Extractor) -> Iterator[None]:
    """Registers a reader for the time of a test."""
    registry.register(media_type, extractor)
    try:
        yield
    finally:
        registry._EXTRACTORS.pop(media_type)


def after(action: Callable[[], None], extractor: Extractor) -> Extractor:
    """``extractor``, with ``action`` done before it."""

    def extract(body: bytes, tick: Callable[[], None]) -> Any:
        action()
        return extractor(body, tick)

    return extract
