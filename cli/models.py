"""What the commands about models share: the models of a data folder, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cli.output import clean, columns

if TYPE_CHECKING:
    from services.embedding.installing.models import InstalledModels, ModelFacts
    from services.embedding.installing.trials import Benchmark
    from services.embedding.installing.verifying import Verification
    from services.settings import Settings


def models_of(settings: Settings) -> InstalledModels:
    """The models of the settings' data folder; needs no server, whether the instance runs or not."""
    from services.collections.durable import CollectionFolder
    from services.embedding.registry import ModelRegistry
    from services.wiring import installed_models, load_options

    folder = settings.data_dir.expanduser().absolute()
    settings = settings.model_copy(update={"data_dir": folder}) if folder != settings.data_dir else settings
    registry = ModelRegistry(load_options(settings), extra=(settings.model,))
    return installed_models(settings, registry, CollectionFolder(folder / "collections"))


@contextmanager
def writable(settings: Settings) -> Iterator[InstalledModels]:
    """The same for a command that changes something: the data folder is made, or checked to be one of ours."""
    from cli.up.folder import DataFolder

    DataFolder(settings.data_dir.expanduser().absolute()).prepare()
    yield models_of(settings)


def facts_json(facts: ModelFacts, default_by: str) -> dict[str, Any]:
    """A model for scripts; the same members as in the API."""
    spec, record = facts.spec, facts.record
    return {
        "name": facts.name,
        "family": spec.family if spec else None,
        "modalities": list(spec.modalities) if spec else [],
        "dimensions": spec.dim if spec else None,
        "max_tokens": spec.max_tokens if spec else None,
        "pooling": spec.pooling if spec else None,
        "licence": spec.licence if spec else None,
        "fingerprint": spec.fingerprint if spec else None,
        "default": facts.default,
        "default_by": default_by if facts.default else None,
        "installed": facts.installed,
        "source": facts.source,
        "revision": record.revision if record else (spec.revision if spec else ""),
        "installed_at": moment(record.installed_at_ms) if record else None,
        "size_bytes": facts.size_bytes,
        "trained_on": _trained(facts),
        "used_by": list(facts.used_by),
        "problem": facts.problem or None,
    }


def _trained(facts: ModelFacts) -> dict[str, object] | None:
    training = facts.record.training if facts.record else None
    if training is None:
        return None
    return {
        "collection": training.collection,
        "documents": training.documents,
        "settings": dict(training.settings),
        "training_id": training.id,
    }


def table(found: list[ModelFacts]) -> str:
    """Models as a table for people."""
    rows = [("MODEL", "FAMILY", "EMBEDS", "NUMBERS", "TOKENS", "SIZE", "USED BY", "")]
    rows += [
        (
            clean(facts.name),
            facts.spec.family if facts.spec else "?",
            ", ".join(facts.spec.modalities) if facts.spec else "?",
            str(facts.spec.dim) if facts.spec else "?",
            f"{facts.spec.max_tokens:,}" if facts.spec else "?",
            megabytes(facts.size_bytes),
            ", ".join(facts.used_by[:3]) + (f" and {len(facts.used_by) - 3} more" if len(facts.used_by) > 3 else ""),
            "default" if facts.default else ("cannot be used" if facts.problem else ""),
        )
        for facts in found
    ]
    return columns(rows, indent="")


def sheet(facts: ModelFacts, default_by: str) -> str:
    """One model for people."""
    spec, record = facts.spec, facts.record
    rows = [("Model", clean(facts.name))]
    if facts.problem:
        rows.append(("Problem", clean(facts.problem)))
    if spec is not None:
        rows += [
            ("Family", spec.family),
            ("Embeds", ", ".join(spec.modalities)),
            ("Numbers", str(spec.dim)),
            ("Reads", f"{spec.max_tokens:,} tokens"),
            ("Pooling", clean(spec.pooling)),
            ("Licence", clean(spec.licence)),
            ("Fingerprint", spec.fingerprint),
        ]
    rows += [("Size", megabytes(facts.size_bytes)), ("Source", clean(facts.source))]
    if record is not None and record.revision:
        rows.append(("Revision", clean(record.revision)))
    if record is not None and record.training is not None:
        training = record.training
        words = ", ".join(f"{name}={value}" for name, value in training.settings.items()) or "the usual settings"
        rows.append(("Trained on", f"{training.documents:,} documents of {clean(training.collection)}; {clean(words)}"))
    if record is not None:
        rows.append(("Installed", moment(record.installed_at_ms)))
    rows.append(("Used by", ", ".join(facts.used_by) or "no collection"))
    if facts.default:
        rows.append(("Default", DEFAULT_WORDS[default_by]))
    return columns(rows)


DEFAULT_WORDS = {
    "setting": "of new collections, set by NEARFIELD_MODEL",
    "choice": "of new collections, chosen",
    "built-in": "of new collections, as nothing else was chosen",
}


def verification_json(found: Verification) -> dict[str, object]:
    """A check for scripts; the same members as in the API."""
    return {
        "name": found.name,
        "ok": found.ok,
        "against": found.against,
        "files": found.files,
        "differences": [{"file": each.file, "what": each.what} for each in found.differences],
        "problem": found.problem or None,
    }


def benchmark_json(found: Benchmark) -> dict[str, object]:
    """A measurement for scripts; the same members as in the API."""
    from dataclasses import asdict

    return asdict(found)


def moment(ms: int) -> str:
    """A time as RFC 3339."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB" if size else "-"
