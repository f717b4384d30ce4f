"""What is noted down when a model is installed: where it came from, and the hash of every file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.embedding.families import Setting
from services.errors import ModelError

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a model was trained here.

    Attributes:
        id: of the training; makes a second attempt recognise what the first one had finished.
        family: what was trained.
        collection: the collection's name at that time.
        documents: how many texts it learned from.
        settings: as they were asked for.
    """

    id: str
    family: str
    collection: str
    documents: int
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """The record of an installed model, ``<name>.json`` beside its folder.

    Attributes:
        source: a folder, a file, a hub name, or the collection it was trained on.
        revision: the hub's commit; "" elsewhere.
        licence: as the model states it.
        installed_at_ms: when, Unix time.
        fingerprint: of its spec.
        size_bytes: of all files.
        files: relative path to sha256, every file in the folder.
        training: how it was trained; None for what was brought from elsewhere.
    """

    source: str
    revision: str
    licence: str
    installed_at_ms: int
    fingerprint: str
    size_bytes: int
    files: Mapping[str, str]
    training: Training | None = None


def record_bytes(record: ModelRecord) -> bytes:
    """The file's content."""
    training = record.training
    fields = {
        "format": FORMAT,
        "source": record.source,
        "revision": record.revision,
        "licence": record.licence,
        "installed_at_ms": record.installed_at_ms,
        "fingerprint": record.fingerprint,
        "size_bytes": record.size_bytes,
        "files": dict(sorted(record.files.items())),
        "training": training
        and {
            "id": training.id,
            "family": training.family,
            "collection": training.collection,
            "documents": training.documents,
            "settings": dict(training.settings),
        },
    }
    return (json.dumps(fields, indent=1, ensure_ascii=True) + "\n").encode("ascii")


def read_record(path: Path) -> ModelRecord | None:
    """The record in a file; None when there is none.

    Raises:
        ModelError: code "model-unreadable", it is damaged.
    """
    try:
        fields = json.loads(path.read_bytes())
        if fields["format"] != FORMAT:
            raise ValueError(f"its format is {fields['format']!r}, the known one is {FORMAT}")
        trained = fields["training"]
        return ModelRecord(
            source=str(fields["source"]),
            revision=str(fields["revision"]),
            licence=str(fields["licence"]),
            installed_at_ms=int(fields["installed_at_ms"]),
            fingerprint=str(fields["fingerprint"]),
            size_bytes=int(fields["size_bytes"]),
            files={str(name): str(digest) for name, digest in fields["files"].items()},
            training=Training(
                id=str(trained["id"]),
                family=str(trained["family"]),
                collection=str(trained["collection"]),
                documents=int(trained["documents"]),
                settings=dict(trained["settings"]),
            )
            if trained
            else None,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"the record {path} of an installed model is damaged ({type(error).__name__}: {str(error)[:100]}); "
            "pull the model again with --replace",
            code="model-unreadable",
        ) from error
