"""The composition root: every client and service of a process is built here, once, from the settings.

Web, workers, keeper and the offline commands differ only in their doorbell and in how patient their Redis clients are.
Building connects to nothing and loads no model.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from services.admission.gate import Admission
from services.admission.probes import Probes
from services.collections.durable import CollectionFolder
from services.collections.store import CollectionStore
from services.collections.values import Collection
from services.doorbell import Doorbell
from services.embedding.microbatch import QueryBatcher
from services.embedding.options import LoadOptions
from services.embedding.registry import ModelRegistry
from services.errors import SettingsError
from services.index.adapter import RedisIndex
from services.ingest.accept import Acceptor
from services.ingest.extract.plugins import parse_plugins
from services.ingest.extract.registry import use_plugins
from services.ingest.sandbox.limits import SandboxLimits
from services.ingest.sandbox.sandbox import Sandbox
from services.ingest.texts import DocumentReader
from services.ledger.envelopes import EnvelopeStore
from services.ledger.jobs import JobReader
from services.ledger.ledger import Ledger
from services.ledger.part import Limits
from services.neardup.near_duplicates import NearDuplicates
from services.redis_clients import Client, Profile, connect, connect_text
from services.search.embedder import BatchedQueryEmbedder, QueryEmbedder
from services.search.service import Searcher
from services.settings import Settings
from services.sources.store import SourceStore


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a front door or a worker needs."""

    settings: Settings
    doorbell: Doorbell
    ledger_client: Client
    index_client: Client
    collections: CollectionStore
    descriptions: CollectionFolder
    models: ModelRegistry
    index: RedisIndex
    envelopes: EnvelopeStore
    ledger: Ledger
    jobs: JobReader
    acceptor: Acceptor
    sandbox: Sandbox
    documents: DocumentReader
    search: Searcher
    admission: Admission
    sources: SourceStore
    near_duplicates: NearDuplicates


@dataclass(slots=True)
class QueryEmbedders:
    """One batcher per model, made when the first query for it comes."""

    models: ModelRegistry
    settings: Settings
    _made: dict[str, BatchedQueryEmbedder] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def of(self, collection: Collection) -> QueryEmbedder:
        """The embedder of the collection's model; loads it if need be, or raises ModelError."""
        made = self._made.get(collection.model)
        if made is not None:
            return made
        with self._making:
            if collection.model not in self._made:
                self._made[collection.model] = self._make(collection.model)
            return self._made[collection.model]

    def _make(self, name: str) -> BatchedQueryEmbedder:
        model = self.models.load(name)
        batcher = QueryBatcher(model, wait_ms=self.settings.query_wait_ms, queue_limit=self.settings.query_queue)
        return BatchedQueryEmbedder(model, batcher)


def load_options(settings: Settings) -> LoadOptions:
    """How this instance loads models."""
    return LoadOptions(
        threads=settings.torch_threads,
        batch_tokens=settings.batch_tokens,
        cache_dir=settings.data_dir / "model-cache",
        models_dir=settings.data_dir / "models",
    )


def build_services(settings: Settings, *, doorbell: Doorbell, profile: Profile) -> Services:
    """Builds everything a process needs.

    Args:
        settings: with both Redis URLs set.
        doorbell: how this process wakes the workers.
        profile: INTERACTIVE for what people wait for, BULK for workers.

    Raises:
        SettingsError: the Redis URLs are not set.
    """
    if settings.ledger_url is None or settings.index_url is None:
        raise SettingsError(
            "NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL are not set; `nearfield up` brings servers of its own"
        )
    ledger_client = connect(settings.ledger_url, profile)
    index_client = connect(settings.index_url, profile)
    text_client = connect_text(settings.ledger_url, profile)
    envelopes = EnvelopeStore(settings.data_dir / "accepted")
    descriptions = CollectionFolder(settings.data_dir / "collections")
    ledger = Ledger(ledger_client, envelopes, Limits(deadline_s=settings.document_deadline_s))
    models = ModelRegistry(load_options(settings), extra=(settings.model,))
    index = RedisIndex(index_client)
    use_plugins(parse_plugins(settings.extractors))
    sandbox = Sandbox(settings.data_dir / "scratch", SandboxLimits.of(settings), settings.extractors)
    admission = Admission(Probes(settings, ledger_client, index_client).read)
    acceptor = Acceptor(
        ledger,
        doorbell,
        max_document_bytes=settings.max_document_bytes,
        max_file_bytes=settings.max_file_bytes,
        admit=admission.admit,
    )
    return Services(
        settings=settings,
        doorbell=doorbell,
        ledger_client=ledger_client,
        index_client=index_client,
        collections=CollectionStore(text_client, descriptions),
        descriptions=descriptions,
        models=models,
        index=index,
        envelopes=envelopes,
        ledger=ledger,
        jobs=JobReader(ledger_client, text_client),
        acceptor=acceptor,
        sandbox=sandbox,
        documents=DocumentReader(envelopes, settings.data_dir / "extracted", sandbox),
        search=Searcher(
            index,
            QueryEmbedders(models, settings).of,
            max_query_chars=settings.max_query_chars,
            timeout_ms=settings.search_timeout_ms,
        ),
        admission=admission,
        sources=SourceStore(ledger_client),
        near_duplicates=NearDuplicates(index_client, ledger, acceptor),
    )
