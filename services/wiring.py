"""The composition root: every client and service of a process is built here, once, from the settings.

Web, workers, keeper and the offline commands differ only in their doorbell and in how patient their Redis clients are.
Building connects to nothing and loads no model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import SecretStr

from services.admission.gate import Admission
from services.admission.probes import Probes
from services.collections.durable import CollectionFolder
from services.collections.store import CollectionStore
from services.doorbell import Doorbell
from services.embedding.caching.document_vectors import DocumentVectorCache, document_vector_cache
from services.embedding.installing.default import DefaultModel
from services.embedding.installing.models import InstalledModels
from services.embedding.options import LoadOptions, prepared_models
from services.embedding.providers.options import COHERE_URL, OPENAI_URL, Endpoint, ProviderOptions, parse_offered
from services.embedding.providers.spending import Spending
from services.embedding.registry import ModelRegistry
from services.embedding.rerank.options import parse_rerankers
from services.embedding.rerank.registry import RerankerRegistry
from services.embedding.spec import Role
from services.errors import SettingsError
from services.index.adapter import RedisIndex
from services.ingest.accept import Acceptor
from services.ingest.extract.plugins import parse_plugins
from services.ingest.extract.registry import use_plugins
from services.ingest.modalities import Sides
from services.ingest.sandbox.limits import SandboxLimits
from services.ingest.sandbox.sandbox import Sandbox
from services.ingest.texts import DocumentReader
from services.ledger.envelopes import EnvelopeStore
from services.ledger.jobs import JobReader
from services.ledger.ledger import Ledger
from services.ledger.part import Limits
from services.neardup.near_duplicates import NearDuplicates
from services.redis_clients import INTERACTIVE, Client, Profile, connect, connect_text
from services.search.embedders import QueryEmbedders
from services.search.service import Searcher
from services.settings import Settings
from services.sources.store import SourceStore
from services.training.store import TrainingStore


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
    document_vectors: DocumentVectorCache
    queries: QueryEmbedders
    rerankers: RerankerRegistry
    installed: InstalledModels
    spending: Spending
    trainings: TrainingStore
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


def provider_options(settings: Settings) -> ProviderOptions:
    """Which providers of embeddings this instance may ask.

    A call for documents ends before the worker's lease of them does.
    """
    openai, azure, cohere = settings.openai_key, settings.azure_key, settings.cohere_key
    return ProviderOptions(
        openai=_endpoint(settings.openai_url or (OPENAI_URL if openai else None), openai),
        azure=_endpoint(settings.azure_url, azure, settings.azure_api_version),
        cohere=_endpoint(settings.cohere_url or (COHERE_URL if cohere else None), cohere),
        offered=parse_offered(settings.provider_models),
        documents_s=0.8 * settings.lease_ms / 1000,
    )


def _endpoint(url: str | None, key: SecretStr | None, api_version: str = "") -> Endpoint | None:
    return None if url is None else Endpoint(url, "" if key is None else key.get_secret_value(), api_version)


def load_options(settings: Settings, first: Role = Role.DOCUMENT) -> LoadOptions:
    """How this instance loads models; ``first`` is the side that the process mostly needs."""
    return LoadOptions(
        threads=settings.torch_threads,
        batch_tokens=settings.batch_tokens,
        device=settings.device,
        precision=settings.precision,
        cache_dir=settings.data_dir / "model-cache",
        prepared_dir=prepared_models(),
        models_dir=settings.data_dir / "models",
        first=first,
        providers=provider_options(settings),
    )


def installed_models(settings: Settings, models: ModelRegistry, descriptions: CollectionFolder) -> InstalledModels:
    """The models of a data folder. Needs no server: which collections use them is read from their descriptions."""

    def users() -> list[tuple[str, str]]:
        return [(collection.name, collection.model) for collection in descriptions.read().collections]

    return InstalledModels(models, load_options(settings), DefaultModel(settings), users)


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
    options = load_options(settings, Role.QUERY if profile is INTERACTIVE else Role.DOCUMENT)
    spending = Spending(ledger_client)
    options = replace(options, providers=replace(options.providers, tell=spending.add))
    models = ModelRegistry(options, extra=(settings.model,))
    queries = QueryEmbedders(
        models,
        wait_ms=settings.query_wait_ms,
        queue_limit=settings.query_queue,
        remember=settings.query_cache,
    )
    rerankers = RerankerRegistry(parse_rerankers(settings.rerankers), settings.data_dir / "models")
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
        require_side=Sides(models.spec).require,
    )
    return Services(
        settings=settings,
        doorbell=doorbell,
        ledger_client=ledger_client,
        index_client=index_client,
        collections=CollectionStore(text_client, descriptions),
        descriptions=descriptions,
        models=models,
        document_vectors=document_vector_cache(settings.data_dir, settings.vector_cache_mb),
        queries=queries,
        rerankers=rerankers,
        installed=installed_models(settings, models, descriptions),
        spending=spending,
        trainings=TrainingStore(ledger_client),
        index=index,
        envelopes=envelopes,
        ledger=ledger,
        jobs=JobReader(ledger_client, text_client),
        acceptor=acceptor,
        sandbox=sandbox,
        documents=DocumentReader(envelopes, settings.data_dir / "extracted", sandbox),
        search=Searcher(
            index,
            queries.of,
            max_query_chars=settings.max_query_chars,
            timeout_ms=settings.search_timeout_ms,
            rerankers=rerankers,
            rerank_timeout_s=settings.rerank_timeout_ms / 1000,
        ),
        admission=admission,
        sources=SourceStore(ledger_client),
        near_duplicates=NearDuplicates(index_client, ledger, acceptor),
    )
