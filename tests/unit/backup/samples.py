"""A capture of a folder of envelopes, as if a ledger had said that all of them count."""

from __future__ import annotations

from dataclasses import dataclass

from services.backup.capture import Captured
from services.ledger.envelopes import EnvelopeStore
from services.ledger.values import DocumentKind, NewDocument
from services.recovery.envelopes import all_names


@dataclass
class NoPin:
    """A pin that holds nothing."""

    def renew(self) -> None:
        pass

    def end(self) -> None:
        pass


def document(id: str, body: bytes = b"text") -> NewDocument:
    return NewDocument(id=id, kind=DocumentKind.TEXT, body=body, text_hash="h", full_hash="h")


def capture(store: EnvelopeStore, extra: tuple[str, ...] = ()) -> Captured:
    return Captured(
        moment_us=1_700_000_000_000_000,
        instance="0123456789abcdef:1",
        jobs=3,
        envelopes=(*all_names(store), *extra),
        collections=(),
        marks=(),
        folder=store.folder,
        missing=(),
        pin=NoPin(),  # type: ignore[arg-type]
    )
