"""Which models there are, and one loaded copy of each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from services.embedding.building import BUILDING
from services.embedding.builtin import BUILTIN_SPECS
from services.embedding.families import loader_of
from services.embedding.options import LoadOptions
from services.embedding.own_folder import MANIFEST
from services.embedding.protocol import Embedder, Runtime
from services.embedding.resolving import INSTALLED_NAME, Resolved, resolve
from services.embedding.spec import ModelSpec
from services.embedding.truncated import TruncatedEmbedder, read_truncation
from services.errors import ModelError

log = logging.getLogger(__name__)

_MARKS = (MANIFEST, "modules.json", "config.json")
"""A folder with one of these files is a model."""

_ONE_BY_ONE = frozenset({"transformer", "clip", "vit", "clap"})
"""Families that transformers builds (``building``)."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: tuple[int, ...]
    embedder: Embedder


class ModelRegistry:
    """Names to specs and to loaded embedders. Safe to use from several threads.

    A name is a built-in one, that of an installed model, a provider's (``openai:MODEL``), a folder (absolute, or
    starting with ``./``, ``../`` or ``~``) or a hub name (``org/model`` or ``org/model@revision``). Folders and hub
    names are for whoever operates the instance: a front door accepts ``names()`` from its clients and nothing else.

    Args:
        options: how models are loaded, and where installed ones are.
        extra: further names to list, such as the operator's default model.
    """

    def __init__(self, options: LoadOptions | None = None, *, extra: Sequence[str] = ()) -> None:
        self._options = options or LoadOptions()
        self._extra = tuple(extra)
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._loaded: dict[str, _Loaded] = {}

    def names(self) -> tuple[str, ...]:
        """The built-in models, those installed now, those that providers offer, and ``extra``, without repeats."""
        offered = self._options.providers.names()
        return tuple(dict.fromkeys((*BUILTIN_SPECS, *self._installed(), *offered, *self._extra)))

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
        options = self._options
        return resolve(
            name,
            models_dir=options.models_dir,
            known=self.names(),
            providers=options.providers,
            cache_dir=options.cache_dir,
        )

    def load(self, name: str) -> Embedder:
        """The loaded model; the first call takes seconds, later ones nothing.

        One model is fetched or loaded while others are, except that those of transformers are built one by one.

        Raises:
            ModelError: as ``spec``, and "model-changed" if the files are not those that the spec promises.
        """
        stamp = self._stamp(name)
        loaded = self._loaded.get(name)
        if loaded is not None and loaded.stamp == stamp:
            return loaded.embedder
        with self._lock:
            loading = self._loading.setdefault(name, threading.Lock())
        with loading:
            return self._load_once(name)

    def runtime(self, name: str) -> Runtime | None:
        """What a model runs on in this process; None while it is not loaded."""
        loaded = self._loaded.get(name)
        return loaded.embedder.runtime if loaded is not None else None

    def _load_once(self, name: str) -> Embedder:
        stamp = self._stamp(name)
        loaded = self._loaded.get(name)
        if loaded is None or loaded.stamp != stamp:
            loaded = self._loaded[name] = _Loaded(stamp, self._load_again(name, loaded))
        return loaded.embedder

    def _load_again(self, name: str, before: _Loaded | None) -> Embedder:
        """The model as its folder is now. One that cannot be loaded leaves the one before in its place.

        Whoever needs a certain fingerprint compares: a replaced model never serves a collection of the one before.
        """
        try:
            return self._load(name)
        except ModelError as error:
            if before is None:
                raise
            log.error("model %s: the one that was loaded before stays: %s", name, error.message)
            return before.embedder

    def _stamp(self, name: str) -> tuple[int, ...]:
        """Differs when another folder stands in the place of an installed model; () for all other models."""
        folder = self._options.models_dir
        base = name.partition("?")[0]
        if folder is None or base in BUILTIN_SPECS or not INSTALLED_NAME.fullmatch(base):
            return ()
        try:
            status = (folder / base).stat()
        except OSError:
            return ()
        return (status.st_ino, status.st_mtime_ns)

    def _load(self, name: str) -> Embedder:
        if (cut := read_truncation(name)) is not None:
            return TruncatedEmbedder(self.load(cut.model), cut.dim)  # its lock is taken too: names only get shorter
        found = self.resolve(name)
        with BUILDING if found.spec.family in _ONE_BY_ONE else nullcontext():
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
