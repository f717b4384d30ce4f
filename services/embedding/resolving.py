"""From a model's name to its spec and its folder, without loading anything."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from services.embedding.builtin import BUILTIN_SPECS, MINILM_PACKAGE, MINILM_REQUIREMENT, MINILM_SPEC
from services.embedding.folder_spec import read_folder_spec
from services.embedding.hub import HUB_NAME, fetch
from services.embedding.media_models.folder_spec import is_media_folder, read_media_spec
from services.embedding.own_folder import MANIFEST, read_own_spec
from services.embedding.pretrained.folder_spec import is_bare_folder, read_bare_spec
from services.embedding.providers.options import ProviderOptions, is_provider_name
from services.embedding.spec import ModelSpec
from services.embedding.static.folder_spec import is_static_folder, read_static_spec
from services.embedding.truncated import read_truncation, truncated_spec
from services.errors import ModelError

INSTALLED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What an installed model may be called: it is a folder's name under ``models_dir``."""

_MAX_NAME_CHARS = 1024
_FOLDER_STARTS = ("/", "./", "../", "~")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model that was found: its spec, and where its files are (``Path()`` for a model without files)."""

    spec: ModelSpec
    folder: Path


def resolve(
    name: str,
    *,
    models_dir: Path | None = None,
    known: Sequence[str] = (),
    providers: ProviderOptions | None = None,
    cache_dir: Path | None = None,
) -> Resolved:
    """Finds a model by a built-in name, an installed one, a provider's, a folder or a hub name.

    Any of them may end in ``?dim=N``: vectors cut to their first N numbers (``truncated``).

    Args:
        models_dir: where installed models are.
        known: names to offer in the error.
        providers: who may be asked for models of theirs; None: nobody.
        cache_dir: where it is kept what a provider said of its model.

    Raises:
        ModelError: code "unknown-model", "model-missing", "model-unsafe", "model-unreadable" or "model-unsupported".
    """
    if name in BUILTIN_SPECS:
        spec = BUILTIN_SPECS[name]
        return Resolved(spec, packaged_folder() if spec is MINILM_SPEC else Path())
    if len(name) > _MAX_NAME_CHARS or not name.isprintable():
        raise ModelError(
            f"a model name of {len(name)} characters, or with control characters, is none; allowed are "
            f"{', '.join(known)}, a folder or a hub name",
            code="unknown-model",
        )
    if (cut := read_truncation(name)) is not None:
        whole = resolve(cut.model, models_dir=models_dir, known=known, providers=providers, cache_dir=cache_dir)
        return Resolved(truncated_spec(whole.spec, cut.dim), whole.folder)
    if providers is not None and is_provider_name(name):
        from services.embedding.providers.specs import provider_spec  # the HTTP library, for those who ask a provider

        return Resolved(provider_spec(name, providers, cache_dir), Path())
    if name.startswith(_FOLDER_STARTS):
        folder = Path(name).expanduser().absolute()
        return Resolved(read_spec(str(folder), folder, source=str(folder)), folder)
    if models_dir is not None and INSTALLED_NAME.fullmatch(name) and (models_dir / name).is_dir():
        return Resolved(read_spec(name, models_dir / name, source="installed"), models_dir / name)
    if HUB_NAME.fullmatch(name):
        folder, repo, commit = fetch(name)
        return Resolved(read_spec(f"{repo}@{commit}", folder, source=repo, revision=commit), folder)
    raise _unknown(name, known)


def read_spec(name: str, folder: Path, *, source: str, revision: str = "") -> ModelSpec:
    """The spec of the model in a folder, whatever kind of folder it is.

    Raises:
        ModelError: as ``resolve``.
    """
    if (folder / MANIFEST).is_file():
        return read_own_spec(name, folder)
    if is_static_folder(folder):
        return read_static_spec(name, folder, source=source, revision=revision)
    if is_media_folder(folder):
        return read_media_spec(name, folder, source=source, revision=revision)
    if is_bare_folder(folder):
        return read_bare_spec(name, folder, source=source, revision=revision)
    return read_folder_spec(name, folder, source=source, revision=revision)


def packaged_folder() -> Path:
    """Where the installed package keeps MiniLM's files; finding it imports nothing."""
    found = find_spec(MINILM_PACKAGE)
    for location in (found.submodule_search_locations if found else None) or ():
        return Path(location) / "model"
    raise ModelError(
        f"the package with {MINILM_SPEC.name} is not installed; run: pip install {MINILM_REQUIREMENT}",
        code="model-missing",
    )


def _unknown(name: str, known: Sequence[str]) -> ModelError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ModelError(
        f"unknown model {name[:80]!r}; {hint}allowed are {', '.join(known)}, a folder (/path/to/model) or a "
        "hub name (org/model)",
        code="unknown-model",
    )
