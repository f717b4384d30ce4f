"""Heads and chunks as they lie in Redis hashes. Pure; vectors are turned into bytes elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from services.index.metadata import metadata_json
from services.index.render import DISTANCE, END, HEADING, PAGE, START, TEXT, VECTOR
from services.index.values import Chunk, ChunkHit, DocumentHead, Neighbour, Rebuilding

HEAD_NAMES = ("gen", "att", "n", "live", "seq", "hash", "id", "title", "url", "source", "kind", "meta", "at")
PASSAGE_NAMES = (TEXT, START, END, HEADING, PAGE)
CHUNK_NAMES = (*PASSAGE_NAMES, VECTOR)

Row = Sequence[bytes | None]


def head_arguments(head: DocumentHead) -> list[str | bytes | int]:
    """What a caller decides about a head, as name and value in turn; the scripts add generation and counts."""
    return [
        *("hash", head.text_hash, "id", head.id, "title", head.title, "url", head.url, "source", head.source),
        *("kind", head.kind, "meta", metadata_json(head.metadata), "at", head.updated_at),
    ]


def head_from(row: Row) -> DocumentHead | None:
    """The head whose ``HEAD_NAMES`` were read, or None when there is none."""
    values = dict(zip(HEAD_NAMES, row, strict=True))
    if values["gen"] is None:
        return None
    return DocumentHead(
        generation=_number(values, "gen"),
        attempt=_number(values, "att"),
        chunks=_number(values, "n"),
        live=values["live"] == b"1",
        sequence=_number(values, "seq"),
        text_hash=_text(values, "hash"),
        id=_text(values, "id"),
        title=_text(values, "title"),
        url=_text(values, "url"),
        source=_text(values, "source"),
        kind=_text(values, "kind"),
        metadata=json.loads(values["meta"] or b"{}"),
        updated_at=_number(values, "at"),
    )


def chunk_columns(chunk: Chunk, vector: bytes) -> tuple[bytes | str | int, ...]:
    """The six columns that the scripts write for a chunk; "" stands for none."""
    return vector, chunk.text, chunk.start, chunk.end, chunk.heading, "" if chunk.page is None else chunk.page


def chunk_from(ordinal: int, row: Row, vector: NDArray[np.float32]) -> Chunk:
    """The chunk whose ``CHUNK_NAMES`` were read, with its vector already turned back."""
    values = dict(zip(CHUNK_NAMES, row, strict=True))
    return Chunk(
        ordinal=ordinal,
        text=_text(values, TEXT),
        start=_number(values, START),
        end=_number(values, END),
        heading=_text(values, HEADING),
        page=_number(values, PAGE) or None,
        vector=vector,
    )


def rebuilding_from(mark: bytes | None) -> Rebuilding | None:
    """The keeper's rebuild mark, "<searchable>/<expected>"."""
    if mark is None:
        return None
    searchable, _, expected = mark.decode("ascii").partition("/")
    return Rebuilding(int(searchable), int(expected or "0"))


def hit_from(neighbour: Neighbour, row: Row) -> ChunkHit:
    """A hit from a neighbour and the ``PASSAGE_NAMES`` of its chunk."""
    values = dict(zip(PASSAGE_NAMES, row, strict=True))
    return ChunkHit(
        doc_hash=neighbour.doc_hash,
        generation=neighbour.generation,
        ordinal=neighbour.ordinal,
        text=_text(values, TEXT),
        start=_number(values, START),
        end=_number(values, END),
        heading=_text(values, HEADING),
        page=_number(values, PAGE) or None,
        distance=neighbour.distance,
    )


def neighbours_from(reply: Sequence[object]) -> list[Neighbour]:
    """Neighbours from the reply of FT.SEARCH: their keys name document, generation and ordinal.

    Equal distances are ordered by key, so that pages neither repeat nor skip a hit. A key that went away during the
    query has no fields and is passed over.
    """
    rows = []
    for key, fields in zip(reply[1::2], reply[2::2], strict=True):
        if not isinstance(key, bytes) or not isinstance(fields, list) or DISTANCE.encode() not in fields:
            continue
        document, generation, ordinal = key.decode("ascii").rsplit(":", 2)
        distance = float(fields[fields.index(DISTANCE.encode()) + 1])
        rows.append(Neighbour(document[document.rindex("{") + 1 : -1], int(generation), int(ordinal), distance))
    rows.sort(key=nearest_first)
    return rows


def nearest_first(neighbour: Neighbour) -> tuple[float, str, int, int]:
    """The order of neighbours: by distance, and for equal distances a fixed one."""
    return neighbour.distance, neighbour.doc_hash, neighbour.generation, neighbour.ordinal


def _text(values: Mapping[str, bytes | None], name: str) -> str:
    return (values[name] or b"").decode("utf-8")


def _number(values: Mapping[str, bytes | None], name: str) -> int:
    return int(values[name] or b"0")
