"""Walks the folder of envelopes as a rebuild, an audit and a backup need it: every name once, every byte verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.errors import NearfieldError
from services.ledger import envelope_replay as replay
from services.ledger.envelope_format import EnvelopeHeader
from services.ledger.envelope_replay import ScannedDocument
from services.ledger.envelopes import SHARDS, SUFFIX, EnvelopeStore


@dataclass(frozen=True, slots=True)
class ScannedEnvelope:
    """An envelope read through.

    ``header`` is None when not even that is readable. ``trouble`` says what is wrong with it, "" for nothing: then the
    documents are those before the damage.
    """

    name: str
    header: EnvelopeHeader | None
    documents: tuple[ScannedDocument, ...]
    trouble: str = ""


def envelope_path(folder: Path, name: str) -> Path:
    """Where an envelope lies under the folder of envelopes."""
    return folder / name[-2:] / f"{name}{SUFFIX}"


def all_names(envelopes: EnvelopeStore) -> list[str]:
    """The names of all envelopes in the order in which they were written."""
    return sorted(name for shard in range(SHARDS) for name in envelopes.names(shard))


def scan(folder: Path, name: str) -> ScannedEnvelope:
    """Reads an envelope through, without keeping bodies; damage is told and not raised."""
    header: EnvelopeHeader | None = None
    documents: list[ScannedDocument] = []
    try:
        with envelope_path(folder, name).open("rb") as file:
            header = replay.read_header(file, name)
            file.seek(0)
            for document in replay.scan_documents(file, name):
                documents.append(document)
    except NearfieldError as error:
        return ScannedEnvelope(name, header, tuple(documents), error.message)
    except FileNotFoundError:
        return ScannedEnvelope(name, None, (), "it is missing")
    except OSError as error:
        return ScannedEnvelope(name, header, tuple(documents), f"it cannot be read ({error.strerror})")
    except (ValueError, KeyError, TypeError) as error:  # a checksum that is right over what is not ours
        return ScannedEnvelope(name, header, tuple(documents), f"it is not readable ({type(error).__name__})")
    return ScannedEnvelope(name, header, tuple(documents))
