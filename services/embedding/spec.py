"""What a model is, as a value."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a text is embedded for. Some models want another prompt for a question than for an answer."""

    QUERY = "query"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model and everything a caller may need to know of it without loading it.

    Attributes:
        name: how people and collections refer to it: a built-in name, an absolute folder or ``org/model@revision``.
        family: what kind of embedding it is, a name in ``families.FAMILIES``; decides who loads it.
        source: where its files come from: a Python package, a folder or a hub name.
        revision: which edition of the source.
        dim: numbers in a vector.
        max_tokens: longest input in tokens, special tokens included; what lies beyond is cut.
        query_prompt: put before a query by the module, never by callers.
        document_prompt: put before a document by the module.
        pooling: how token vectors become one vector ("mean", "cls", ...).
        normalize: whether vectors come out with length 1.
        distance: what vectors are compared by.
        licence: of the weights, as their publisher states it.
        file_hashes: (relative path, sha256) of each file that decides what the vectors are; a model without files
            has one entry that names its algorithm and version.
        precision_class: runtimes whose vectors agree to a cosine of 0.999 share a class.
        modalities: what can be embedded: "text", "image", "audio".
    """

    name: str
    family: str
    source: str
    revision: str
    dim: int
    max_tokens: int
    pooling: str
    licence: str
    file_hashes: tuple[tuple[str, str], ...]
    normalize: bool = True
    query_prompt: str = ""
    document_prompt: str = ""
    distance: str = "cosine"
    precision_class: str = "fp32"
    modalities: tuple[str, ...] = ("text",)

    @property
    def fingerprint(self) -> str:
        """32 hex characters that change exactly when the vectors may: equal fingerprints, comparable vectors.

        Name, family, source and modalities stay out, so that the same files in another folder or behind another
        runtime of the same precision class need no re-embedding.
        """
        decisive = {
            "dim": self.dim,
            "document_prompt": self.document_prompt,
            "file_hashes": sorted(self.file_hashes),
            "max_tokens": self.max_tokens,
            "normalize": self.normalize,
            "pooling": self.pooling,
            "precision_class": self.precision_class,
            "query_prompt": self.query_prompt,
        }
        canonical = json.dumps(decisive, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:32]

    def prompt(self, role: Role) -> str:
        """The text that goes before every input of that role; "" for most models."""
        return self.query_prompt if role is Role.QUERY else self.document_prompt
