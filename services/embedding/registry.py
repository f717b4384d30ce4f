"""Which models there are, and one loaded copy of each."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from services.embedding.builtin import BUILTIN_SPECS, HASH, MINILM_PACKAGE, MINILM_REQUIREMENT, MINILM_SPEC
from services.embedding.folder_spec import read_folder_spec
from services.embedding.hash_embedder import HashEmbedder
from services.embedding.hub import HUB_NAME, fetch
from services.embedding.model_files import check_folder, verify_files
from services.embedding.protocol import Embedder
from services.embedding.spec import ModelSpec
from services.errors import ModelError

_MAX_NAME_CHARS = 1024
_FOLDER_STARTS = ("/", "./", "../", "~")


class ModelRegistry:
    """Names to specs and to loaded embedders. Safe to use from several threads.

    A name is a built-in one, a folder (absolute, or starting with ``./``, ``../`` or ``~``) or a hub name
    (``org/model`` or ``org/model@revision``). Folders and hub names are for whoever operates the instance: a front
    door accepts ``names()`` from its clients and nothing else.

    Args:
        threads: cores that embed side by side; 0: all that the process may use.
        batch_tokens: token budget of one forward pass. 512 to 2,048 cost the least CPU for MiniLM (8.0 ms a
            docstring); 4,096 cost 12 % more and 8,192 half as much again, as activations outgrow the caches.
        extra: further names to list, such as the operator's default model.
    """

    def __init__(self, *, threads: int = 0, batch_tokens: int = 2048, extra: Sequence[str] = ()) -> None:
        self._threads = threads
        self._batch_tokens = batch_tokens
        self._names = tuple(dict.fromkeys((*BUILTIN_SPECS, *extra)))
        self._loading = threading.Lock()
        self._loaded: dict[str, Embedder] = {}

    def names(self) -> tuple[str, ...]:
        """The built-in models and ``extra``, without repeats."""
        return self._names

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
        return self._resolve(name)[0]

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
        spec, folder = self._resolve(name)
        if spec.backend == HASH:
            return HashEmbedder()
        if spec is MINILM_SPEC:
            folder = packaged_folder()
            check_folder(folder)
            verify_files(folder, spec.file_hashes, remedy=f"run: pip install --force-reinstall {MINILM_REQUIREMENT}")
        # Imported here: torch takes seconds, and naming a model must not.
        from services.embedding.loading import load_sentence_transformer

        return load_sentence_transformer(spec, folder, threads=self._threads, batch_tokens=self._batch_tokens)

    def _resolve(self, name: str) -> tuple[ModelSpec, Path]:
        """Spec and folder; the folder means nothing for built-in models."""
        if name in BUILTIN_SPECS:
            return BUILTIN_SPECS[name], Path()
        if len(name) > _MAX_NAME_CHARS or not name.isprintable():
            raise ModelError(
                f"a model name of {len(name)} characters, or with control characters, is none; allowed are "
                f"{', '.join(self._names)}, a folder or a hub name",
                code="unknown-model",
            )
        if name.startswith(_FOLDER_STARTS):
            folder = Path(name).expanduser().absolute()
            return read_folder_spec(str(folder), folder, source=str(folder), revision=""), folder
        if HUB_NAME.fullmatch(name):
            folder, repo, commit = fetch(name)
            return read_folder_spec(f"{repo}@{commit}", folder, source=repo, revision=commit), folder
        raise self._unknown(name)

    def _unknown(self, name: str) -> ModelError:
        near = difflib.get_close_matches(name, self._names, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return ModelError(
            f"unknown model {name[:80]!r}; {hint}allowed are {', '.join(self._names)}, a folder (/path/to/model) or a "
            "hub name (org/model)",
            code="unknown-model",
        )


def packaged_folder() -> Path:
    """Where the installed package keeps MiniLM's files; finding it imports nothing."""
    found = find_spec(MINILM_PACKAGE)
    for location in (found.submodule_search_locations if found else None) or ():
        return Path(location) / "model"
    raise ModelError(
        f"the package with {MINILM_SPEC.name} is not installed; run: pip install {MINILM_REQUIREMENT}",
        code="model-missing",
    )
