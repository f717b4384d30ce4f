"""Whether a collection's model embeds what is given to it: text, pictures, sounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from services.collections.values import Collection
from services.embedding.spec import ModelSpec
from services.errors import InvalidInput, NearfieldError
from services.ingest.kinds.media_kinds import modality_of

_WORDS = {"text": "text", "image": "pictures", "audio": "sounds"}
_SUCH = {
    "text": "a text model such as the built-in one, or a CLIP or CLAP model",
    "image": "a CLIP or ViT model",
    "audio": "a CLAP model or the built-in mfcc",
}
_MIXED = ("application/zip",)
_ELSE = "application/vnd.nearfield."


def require_side(model: str, modalities: tuple[str, ...], media_type: str, *, pointer: str | None = None) -> None:
    """Refuses what a model cannot embed. An archive may hold anything: its files are judged one by one.

    Raises:
        InvalidInput: code "unsupported-modality".
    """
    modality = modality_of(media_type)
    if modality in modalities or media_type in _MIXED or media_type.startswith(_ELSE):
        return
    has = " and ".join(_WORDS.get(each, each) for each in modalities)
    raise InvalidInput(
        f"this collection's model {model!r} embeds {has} and no {_WORDS[modality]}; add this to a collection that was "
        f"made with {_SUCH[modality]}",
        code="unsupported-modality",
        pointer=pointer,
    )


@dataclass(slots=True)
class Sides:
    """Refuses at the front door what the pipeline would refuse later.

    Args:
        spec_of: the spec of a model by its name.
    """

    spec_of: Callable[[str], ModelSpec]
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def require(self, collection: Collection, media_type: str, pointer: str | None = None) -> None:
        """As ``require_side``; takes everything while the model cannot be looked at, for the pipeline to judge."""
        known = self._known.get(collection.fingerprint)
        if known is None:
            try:
                known = self.spec_of(collection.model).modalities
            except NearfieldError:
                return
            self._known[collection.fingerprint] = known
        require_side(collection.model, known, media_type, pointer=pointer)
