"""Vectors on their way out: JSON lines, one JSON document, a NumPy array, base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from cli.embedding.readers import Text
from cli.embedding.sources import Vectors


class Writer(Protocol):
    """Takes vectors piece by piece."""

    def write(self, texts: Sequence[Text], vectors: NDArray[np.float32]) -> None:
        """Writes, or keeps for the end."""
        ...

    def finish(self) -> None:
        """Writes what is left."""
        ...


def make_writer(format_: str, stream: BinaryIO, source: Vectors) -> Writer:
    """The writer of a format: "ndjson", "base64", "json" or "npy"."""
    if format_ == "npy":
        return _Array(stream)
    if format_ == "json":
        return _Document(stream, source)
    return _Lines(stream, as_base64=format_ == "base64")


def _fields(text: Text, index: int) -> dict[str, Any]:
    return {"index": index, "id": text.id} if text.id else {"index": index}


class _Lines:
    """An object per text, written at once: any number of texts needs no memory."""

    def __init__(self, stream: BinaryIO, *, as_base64: bool) -> None:
        self._stream = stream
        self._as_base64 = as_base64
        self._count = 0

    def write(self, texts: Sequence[Text], vectors: NDArray[np.float32]) -> None:
        for text, vector in zip(texts, vectors, strict=True):
            row = (
                base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii") if self._as_base64 else vector.tolist()
            )
            line = json.dumps({**_fields(text, self._count), "embedding": row}, ensure_ascii=False)
            self._stream.write(line.encode("utf-8") + b"\n")
            self._count += 1

    def finish(self) -> None:
        self._stream.flush()


class _Document:
    """One object with the model, the dimension and all vectors."""

    def __init__(self, stream: BinaryIO, source: Vectors) -> None:
        self._stream = stream
        self._source = source
        self._rows: list[dict[str, Any]] = []

    def write(self, texts: Sequence[Text], vectors: NDArray[np.float32]) -> None:
        for text, vector in zip(texts, vectors, strict=True):
            self._rows.append({**_fields(text, len(self._rows)), "embedding": vector.tolist()})

    def finish(self) -> None:
        found = {"model": self._source.model, "dimensions": self._source.dim, "embeddings": self._rows}
        self._stream.write(json.dumps(found, ensure_ascii=False).encode("utf-8") + b"\n")


class _Array:
    """A .npy file: float32, shape (texts, dim), rows in the order of the texts; ids are not in it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._pieces: list[NDArray[np.float32]] = []

    def write(self, texts: Sequence[Text], vectors: NDArray[np.float32]) -> None:  # noqa: ARG002
        self._pieces.append(vectors)

    def finish(self) -> None:
        whole = np.concatenate(self._pieces) if self._pieces else np.empty((0, 0), dtype=np.float32)
        np.lib.format.write_array(self._stream, whole.astype("<f4"), allow_pickle=False)
