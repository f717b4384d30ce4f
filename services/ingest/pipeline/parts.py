"""What the pipeline needs of the product; ``services.wiring.Services`` has it all."""

from __future__ import annotations

from typing import Protocol

from services.collections.store import CollectionStore
from services.embedding.caching.document_vectors import DocumentVectorCache
from services.embedding.registry import ModelRegistry
from services.index.protocol import VectorIndex
from services.ingest.accept import Acceptor
from services.ingest.sandbox.sandbox import FileReader
from services.ledger.envelopes import EnvelopeStore
from services.ledger.ledger import Ledger
from services.neardup.near_duplicates import NearDuplicates
from services.settings import Settings


class Parts(Protocol):
    """The services that turn accepted documents into searchable ones."""

    @property
    def settings(self) -> Settings:
        """Limits, the lease, the data folder."""

    @property
    def collections(self) -> CollectionStore:
        """Where collections are looked up."""

    @property
    def ledger(self) -> Ledger:
        """Where work is claimed and settled."""

    @property
    def envelopes(self) -> EnvelopeStore:
        """Where documents are read from."""

    @property
    def sandbox(self) -> FileReader:
        """Where files are read."""

    @property
    def acceptor(self) -> Acceptor:
        """By which rows of sources become documents."""

    @property
    def index(self) -> VectorIndex:
        """Where chunks are written."""

    @property
    def models(self) -> ModelRegistry:
        """Where embedders come from."""

    @property
    def document_vectors(self) -> DocumentVectorCache:
        """Vectors of texts that were embedded before."""

    @property
    def near_duplicates(self) -> NearDuplicates:
        """What is done about a text that another document has already."""
