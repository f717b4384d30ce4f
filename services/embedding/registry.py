"""Which models there are, and one loaded copy of each."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from services.embedding.builtin import BUILTIN_SPECS
from services.embedding.families import loader_of
from services.embedding.options import LoadOptions
from services.embedding.own_folder import MANIFEST
from services.embedding.protocol import Embedder
from services.embedding.resolving import INSTALLED_NAME, Resolved, resolve
from services.embedding.spec import ModelSpec

_MARKS = (MANIFEST, "modules.json", "config.json")
"""A folder with one of these files is a model."""


class ModelRegistry:
    """Names to specs and to loaded embedders. Safe to use from several threads.

    A name is a built-in one, that of an installed model, a folder (absolute, or starting with ``./``, ``../`` or
    ``~``) or a hub name (``org/model`` or ``org/model@revision``). Folders and hub names are for whoever operates the
    instance: a front door accepts ``names()`` from its clients and nothing else.

    Args:
        options: how models are loaded, and where installed ones are.
        extra: further names to list, such as the operator's default model.
    """

    def __init__(self, options: LoadOptions | None = None, *, extra: Sequence[str] = ()) -> None:
        self._options = options or LoadOptions()
        self._extra = tuple(extra)
        self._loading = threading.Lock()
        self._loaded: dict[str, Embedder] = {}

    def names(self) -> tuple[str, ...]:
        """The built-in models, those installed now and ``extra``, without repeats."""
        return tuple(dict.fromkeys((*BUILTIN_SPECS, *self._installed(), *self._extra)))

    def spec(self, name: str) -> ModelSpec:
        """A model's spec without loading it.

        A built-in name costs nothing. A folder's configuration is read and its files are hashed (0.12 s for 90 MB,
        then remembered while size and time stay); a hub model is fetched if it is not cached. The spec's own name
        is what to store: absolute for a folder, with its commit for a hub model, so that it means the same files
        later and from elsewhere.

        Raises:
            ModelError: code "unknown-model", "model-missing", "model-unsafe", "model-unreadable" or
                "model-unsupported"; the message says what to do.
        """
        spec = BUILTIN_SPECS.get(name)
        return spec if spec is not None else self.resolve(name).spec

    def resolve(self, name: str) -> Resolved:
        """Spec and folder of a model; raises as ``spec``."""
        return resolve(name, models_dir=self._options.models_dir, known=self.names())

    def load(self, name: str) -> Embedder:
        """The loaded model; the first call takes seconds, later ones nothing.

        Raises:
            ModelError: as ``spec``, and "model-changed" if the files are not those that the spec promises.
        """
        embedder = self._loaded.get(name)
        if embedder is not None:
            return embedder
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def _load(self, name: str) -> Embedder:
        found = self.resolve(name)
        return loader_of(found.spec.family)(found.spec, found.folder, self._options)

    def _installed(self) -> list[str]:
        folder = self._options.models_dir
        if folder is None or not folder.is_dir():
            return []
        return sorted(
            each.name
            for each in folder.iterdir()
            if INSTALLED_NAME.fullmatch(each.name) and any((each / name).is_file() for name in _MARKS)
        )
