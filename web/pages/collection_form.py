"""The form that makes a collection: what it held, and what it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from werkzeug.datastructures import MultiDict

from services.collections.store import NewCollection
from services.collections.values import Algorithm, Chunking, FieldSpec, FieldType, NearDuplicatePolicy, VectorType
from services.embedding.spec import ModelSpec
from services.errors import InvalidInput

FIELD_ROWS = 4
E = TypeVar("E", Algorithm, VectorType, FieldType, NearDuplicatePolicy)


@dataclass(frozen=True, slots=True)
class CollectionForm:
    """The form's fields as typed, so that a refused form comes back as it was."""

    name: str = ""
    description: str = ""
    model: str = ""
    language: str = "en"
    algorithm: str = Algorithm.HNSW
    vector_type: str = VectorType.FLOAT16
    strategy: str = "structure"
    size_tokens: str = ""
    overlap_tokens: str = ""
    near_duplicates: str = NearDuplicatePolicy.KEEP
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """The rows of the field table: what was typed, and empty ones to go on with."""
        empty = max(1, FIELD_ROWS - len(self.fields))
        return self.fields + (("", FieldType.TAG.value),) * empty

    @property
    def unusual(self) -> bool:
        """Whether a detail differs from its default, so that the details must be in view."""
        plain = CollectionForm(name=self.name, description=self.description, model=self.model, fields=self.fields)
        return self != plain

    def new_collection(self, spec: ModelSpec) -> NewCollection:
        """What the form asks for, with a model of that ``spec``.

        Raises:
            InvalidInput: a choice that does not exist or a size that is no number; names and limits are the store's.
        """
        return NewCollection(
            name=self.name,
            description=self.description,
            model=self.model,
            fingerprint=spec.fingerprint,
            dim=spec.dim,
            algorithm=_choice(Algorithm, self.algorithm, "algorithm"),
            vector_type=_choice(VectorType, self.vector_type, "vector_type"),
            chunking=Chunking(
                strategy=self.strategy,
                size_tokens=_whole_number(self.size_tokens, "size_tokens"),
                overlap_tokens=_whole_number(self.overlap_tokens, "overlap_tokens") or 0,
            ),
            fields=tuple(FieldSpec(name, _choice(FieldType, kind, "fields")) for name, kind in self.fields),
            language=self.language,
            near_duplicates=_choice(NearDuplicatePolicy, self.near_duplicates, "near_duplicates"),
        )


def read_collection_form(form: MultiDict[str, str]) -> CollectionForm:
    """Reads the posted form; rows of the field table without a name are left out."""
    rows = zip(form.getlist("field_name"), form.getlist("field_type"), strict=False)
    plain = CollectionForm()
    return CollectionForm(
        name=form.get("name", "").strip(),
        description=" ".join(form.get("description", "").split()),
        model=form.get("model", "").strip(),
        language=form.get("language", "").strip() or plain.language,
        algorithm=form.get("algorithm", plain.algorithm),
        vector_type=form.get("vector_type", plain.vector_type),
        strategy=form.get("strategy", plain.strategy),
        size_tokens=form.get("size_tokens", "").strip(),
        overlap_tokens=form.get("overlap_tokens", "").strip(),
        near_duplicates=form.get("near_duplicates", plain.near_duplicates),
        fields=tuple((name.strip(), kind) for name, kind in rows if name.strip()),
    )


def _choice(kind: type[E], given: str, part: str) -> E:
    try:
        return kind(given)
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise InvalidInput(f"{given[:40]!r} is not one of {allowed}", pointer=f"/{part}") from None


def _whole_number(given: str, part: str) -> int | None:
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 7):
        raise InvalidInput(f"{given[:40]!r} is not a whole number; leave it empty for the default", pointer=f"/{part}")
    return int(given)
