"""Checks what is asked for before a training is taken in: what can be told at once is not told an hour later."""

from __future__ import annotations

from collections.abc import Mapping

from services.collections.values import Collection
from services.embedding.families import FAMILIES, Setting, trainable
from services.embedding.installing.models import InstalledModels
from services.embedding.installing.names import check_installed_name
from services.errors import Conflict, InvalidInput
from services.training.values import Wish

MAX_SETTINGS = 40
_MAX_CHARS = 200


def make_wish(
    name: str, family: str, collection: Collection, settings: Mapping[str, Setting], installed: InstalledModels
) -> Wish:
    """A training that may begin.

    Raises:
        InvalidInput: the name (code "bad-model-name"), the family or a setting (code "bad-training").
        Conflict: there is a model of that name (code "model-exists").
    """
    check_installed_name(name)
    if family not in FAMILIES or not FAMILIES[family].trainer:
        raise InvalidInput(
            f"{family[:40]!r} is no family that can be trained; choose one of {', '.join(trainable())}",
            code="bad-training",
            pointer="/family",
        )
    if len(settings) > MAX_SETTINGS or any(len(f"{key}{value}") > _MAX_CHARS for key, value in settings.items()):
        raise InvalidInput(
            f"{len(settings)} settings, or one that is too long; allowed are {MAX_SETTINGS} of {_MAX_CHARS} characters",
            code="bad-training",
            pointer="/settings",
        )
    if installed.shelf.has(name) or name in installed.names():
        raise Conflict(
            f"there is a model {name!r} already; choose another name, or remove that one",
            code="model-exists",
            pointer="/name",
        )
    return Wish(
        name=name, family=family, collection_id=collection.id, collection=collection.name, settings=dict(settings)
    )
