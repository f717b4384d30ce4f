"""Hub names: from "org/model" to a folder on this machine."""

from __future__ import annotations

import re
from pathlib import Path

from services.errors import ModelError

# "org/model", optionally "@" and a branch, tag or commit. No dots-only parts, no URL, nothing longer than hubs allow.
HUB_NAME = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[A-Za-z0-9][\w.-]{0,95}))?"
)

# Code and pickles are not even fetched; what is not listed here no loader reads.
_WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "README.md"]
_UNWANTED = ["onnx/*", "openvino/*"]


def fetch(name: str) -> tuple[Path, str, str]:
    """A hub model's files, from the local cache if they are there and from the hub otherwise.

    Args:
        name: must match ``HUB_NAME``.

    Returns:
        The folder, the repository's name and the commit that the folder is.

    Raises:
        ModelError: code "model-missing", it is neither cached nor to be had.
    """
    match = HUB_NAME.fullmatch(name)
    if match is None:
        raise ModelError(f"{name!r} is not a hub name such as org/model", code="unknown-model")
    repo, revision = match["repo"], match["revision"]
    folder = _cached(repo, revision) or _snapshot(repo, revision, local=False)
    return folder, repo, folder.name


def _cached(repo: str, revision: str | None) -> Path | None:
    """The cached folder, unless it is absent or a download stopped before the weights."""
    try:
        folder = _snapshot(repo, revision, local=True)
    except ModelError:
        return None
    complete = (folder / "modules.json").is_file() and any(folder.rglob("*.safetensors"))
    return folder if complete else None


def _snapshot(repo: str, revision: str | None, *, local: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        path = snapshot_download(
            repo,
            revision=revision,
            local_files_only=local,
            allow_patterns=_WANTED,
            ignore_patterns=_UNWANTED,
        )
    except Exception as error:  # the hub client raises its own, HTTP and OS errors: all mean "not to be had"
        raise ModelError(
            f"model {repo!r} is not in the local cache and could not be fetched ({type(error).__name__}); check the "
            "name and the network, or copy the model here and give its folder",
            code="model-missing",
        ) from error
    return Path(path)
