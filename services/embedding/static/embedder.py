"""Texts as means of their tokens' fixed vectors: family "static"."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.directions import unit_rows
from services.embedding.folder_reading import unreadable
from services.embedding.model_files import verify_files
from services.embedding.options import LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec, Role
from services.embedding.static.folder_spec import TABLES, TOKENIZER, WEIGHTS, static_files
from services.embedding.texts import prepare_texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SLICE_TEXTS = 1024
"""Texts that are tokenised at once: an encoding holds each token as a string too."""


class TokenizerTokens:
    """The ``TokenCounter`` of a bare tokenizer that neither truncates nor pads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @property
    def fast(self) -> Tokenizer | None:
        """See ``TokenCounter.fast``."""
        return self._tokenizer

    def count(self, text: str) -> int:
        """See ``TokenCounter.count``."""
        return len(self.numbers([text])[0])

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Numbers of each text's tokens, without special ones."""
        found: list[list[int]] = []
        for start in range(0, len(texts), _SLICE_TEXTS):
            some = list(texts[start : start + _SLICE_TEXTS])
            found += [each.ids for each in self._tokenizer.encode_batch_fast(some, add_special_tokens=False)]
        return found


class StaticEmbedder:
    """An ``Embedder`` over a table of vectors.

    Args:
        table: float32, shape (tokens, spec.dim or more); what lies beyond ``spec.dim`` was cut by the model's settings.
        unknown: token that is left out; None: none is.
    """

    special_tokens = 0

    def __init__(self, spec: ModelSpec, tokenizer: Tokenizer, table: NDArray[np.float32], unknown: int | None) -> None:
        self.spec = spec
        self.runtime = Runtime("numpy", "fp32", "means of fixed vectors: no network is at work")
        self.tokens = TokenizerTokens(tokenizer)
        self._table = table[:, : spec.dim]
        self._unknown = unknown

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``."""
        return self._embed(texts, Role.QUERY)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``. A text without a known token has a fixed direction."""
        return self._embed(texts, Role.DOCUMENT)

    def _embed(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        prompt = self.spec.prompt(role)
        prepared = [prompt + text for text in prepare_texts(texts, self.spec.max_tokens)]
        sums = np.zeros((len(prepared), self.spec.dim))
        for number, numbers in enumerate(self.tokens.numbers(prepared)):
            rows = np.array(numbers[: self.spec.max_tokens], dtype=np.int64)
            if self._unknown is not None:
                rows = rows[rows != self._unknown]
            sums[number] = self._table[rows].sum(axis=0)
        return unit_rows(sums)


def load_static(spec: ModelSpec, folder: Path, options: LoadOptions) -> StaticEmbedder:  # noqa: ARG001
    """The family's loader.

    Raises:
        ModelError: code "model-missing", "model-unsafe", "model-unsupported", "model-changed" or "model-unreadable".
    """
    files = static_files(folder)
    verify_files(folder, spec.file_hashes, remedy="copy the whole folder again")
    tokenizer = read_tokenizer(files.folder / TOKENIZER)
    table = _table(files.folder / WEIGHTS)
    tokens = tokenizer.get_vocab_size()
    if tokens > len(table):
        raise unreadable(files.folder / WEIGHTS, f"it has {len(table):,} vectors, and there are {tokens:,} tokens")
    unknown = _unknown(files.folder / TOKENIZER) if files.drops_unknown else None
    return StaticEmbedder(spec, tokenizer, table, tokenizer.token_to_id(unknown) if unknown else None)


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer without truncation and padding.

    Raises:
        ModelError: code "model-unreadable".
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        raise unreadable(path, f"{type(error).__name__}: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _table(path: Path) -> NDArray[np.float32]:
    """A vector for each token: model2vec's newer folders keep fewer vectors, a mapping to them and weights."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(str(path))
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise unreadable(path, f"{type(error).__name__}: {error}") from error
    table = next((tensors[name] for name in TABLES if name in tensors), None)
    if table is None or table.ndim != 2 or table.dtype.kind not in "fi":
        raise unreadable(path, f"no table of numbers {' or '.join(TABLES)}")
    table = table.astype(np.float32)
    mapping = _column(path, tensors, "mapping", "iu")
    if mapping is not None:
        if not len(mapping) or mapping.min() < 0 or mapping.max() >= len(table):
            raise unreadable(path, "its mapping leads beyond its table")
        table = table[mapping]
    weights = _column(path, tensors, "weights", "f")
    if weights is not None:
        if len(weights) != len(table):
            raise unreadable(path, f"it has {len(weights):,} weights for {len(table):,} tokens")
        table = table * weights.astype(np.float32)[:, None]
    if not np.isfinite(table).all():
        raise unreadable(path, "it holds a NaN or an infinity")
    return table


def _column(path: Path, tensors: Mapping[str, NDArray[Any]], name: str, kinds: str) -> NDArray[Any] | None:
    column = tensors.get(name)
    if column is not None and (column.ndim != 1 or column.dtype.kind not in kinds):
        raise unreadable(path, f"its {name} are {column.dtype} of shape {column.shape}")
    return column


def _unknown(path: Path) -> str | None:
    """What the tokenizer calls an unknown token."""
    model = json.loads(path.read_text(encoding="utf-8")).get("model") or {}
    token = model.get("unk_token")
    return token if isinstance(token, str) else None
