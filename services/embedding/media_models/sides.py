"""What a model without a side says to those who ask for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.embedding.media import Picture, Sound
from services.embedding.spec import ModelSpec
from services.errors import InvalidInput

IMAGE, AUDIO, TEXT = "image", "audio", "text"
_WORDS = {TEXT: "text", IMAGE: "pictures", AUDIO: "sounds"}


def in_words(modalities: Sequence[str]) -> str:
    """What a model embeds, for people: "text and pictures"."""
    return " and ".join(_WORDS.get(each, each) for each in modalities)


def no_text_side(spec: ModelSpec) -> InvalidInput:
    """The error of a model that embeds no texts."""
    return InvalidInput(
        f"the model {spec.name!r} embeds {in_words(spec.modalities)} and no text; use another model for text, or "
        "search with one of what it embeds",
        code="no-text-side",
    )


def no_such_side(spec: ModelSpec, modality: str) -> InvalidInput:
    """The error of a model that embeds no pictures, or no sounds."""
    return InvalidInput(
        f"the model {spec.name!r} embeds {in_words(spec.modalities)} and no {_WORDS.get(modality, modality)}; use a "
        "collection whose model embeds them",
        code="unsupported-modality",
    )


class NoTexts:
    """The text methods of a model without a text side."""

    special_tokens = 0
    spec: ModelSpec

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:  # noqa: ARG002
        """Raises InvalidInput, code "no-text-side"."""
        raise no_text_side(self.spec)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:  # noqa: ARG002
        """Raises InvalidInput, code "no-text-side"."""
        raise no_text_side(self.spec)


class NoPictures:
    """The picture method of a model without a picture side."""

    spec: ModelSpec

    def embed_pictures(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:  # noqa: ARG002
        """Raises InvalidInput, code "unsupported-modality"."""
        raise no_such_side(self.spec, IMAGE)


class NoSounds:
    """The sound method of a model without a sound side."""

    spec: ModelSpec

    def embed_sounds(self, sounds: Sequence[Sound]) -> NDArray[np.float32]:  # noqa: ARG002
        """Raises InvalidInput, code "unsupported-modality"."""
        raise no_such_side(self.spec, AUDIO)
