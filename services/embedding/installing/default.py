"""Which model new collections get when nobody names one.

``NEARFIELD_MODEL`` decides if it is set: it is what an operator fixed for every process. Otherwise the model that was
chosen decides (``nearfield models default``, ``PUT /api/v1/models/default``, the page of models); otherwise the
built-in one.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from services.embedding.installing.shelf import sync_folder, write_synced
from services.errors import Conflict, StorageFull
from services.ids import new_token
from services.settings import Settings

FILE = "default.json"


class Chosen(StrEnum):
    """By what the default was decided."""

    SETTING = "setting"
    CHOICE = "choice"
    BUILT_IN = "built-in"


class DefaultModel:
    """The default of an instance; read again at each question, so that all its processes agree."""

    def __init__(self, settings: Settings) -> None:
        self._setting = settings.model
        self._is_set = "model" in settings.model_fields_set
        self._path = settings.data_dir.expanduser() / "models" / FILE

    def name(self) -> str:
        """The model's name."""
        return self._setting if self._is_set else self._choice() or self._setting

    def by(self) -> Chosen:
        """What decided."""
        if self._is_set:
            return Chosen.SETTING
        return Chosen.CHOICE if self._choice() else Chosen.BUILT_IN

    def choose(self, name: str) -> None:
        """Makes a model, one that is known to be usable, the default.

        Raises:
            Conflict: code "default-is-set", the setting decides.
            StorageFull: the choice cannot be written.
        """
        if self._is_set:
            raise Conflict(
                f"NEARFIELD_MODEL is set to {self._setting!r} and decides; start without it to choose here",
                code="default-is-set",
                pointer="/model",
            )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = self._path.with_name(f".new-{new_token()[:12]}.default")
            write_synced(temporary, json.dumps({"model": name}).encode())
            temporary.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise StorageFull(f"the choice cannot be written to {self._path}: {error.strerror}") from error

    def _choice(self) -> str:
        return read_choice(self._path.parent)


def read_choice(models_dir: Path) -> str:
    """The model that was chosen, "" for none: a file that cannot be read is no choice."""
    try:
        found = json.loads((models_dir / FILE).read_bytes())["model"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""
