"""Reads an evaluation set in BEIR layout: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/<split>.tsv``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class JudgedDocument:
    """A document of the corpus."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Documents, the queries that have judgements, and the judgements.

    ``qrels`` maps a query id to relevance by document id; only queries with a relevance above 0 are kept.
    """

    documents: tuple[JudgedDocument, ...]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]


def read_beir(folder: Path, *, split: str = "test", limit_documents: int | None = None) -> EvaluationSet:
    """Reads a set, whole or cut to ``limit_documents``.

    A cut keeps what is judged: queries are taken in the order of the judgements for as long as all their judged
    documents fit, then other documents in the order of the corpus fill up.

    Raises:
        NotFound: a file is missing.
        InvalidInput: a file has a line that cannot be read, or nothing is judged.
    """
    for needed in (folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / f"{split}.tsv"):
        if not needed.is_file():
            raise NotFound(
                f"{needed} is missing: an evaluation folder holds corpus.jsonl, queries.jsonl and qrels/{split}.tsv",
                code="evaluation-file-missing",
            )
    queries = {fields["_id"]: fields["text"] for fields in _json_lines(folder / "queries.jsonl", ("_id", "text"))}
    qrels: dict[str, Mapping[str, int]] = {
        query: judged
        for query, judged in read_qrels(folder / "qrels" / f"{split}.tsv").items()
        if query in queries and any(relevance > 0 for relevance in judged.values())
    }
    documents = [
        JudgedDocument(fields["_id"], fields.get("title") or "", fields["text"])
        for fields in _json_lines(folder / "corpus.jsonl", ("_id", "text"))
    ]
    if limit_documents is not None:
        documents, qrels = cut(documents, qrels, limit_documents)
    if not qrels or not documents:
        raise InvalidInput(f"{folder} has no query with a relevant document in split {split!r}", code="nothing-judged")
    return EvaluationSet(tuple(documents), {query: queries[query] for query in qrels}, qrels)


def cut(
    documents: list[JudgedDocument], qrels: Mapping[str, Mapping[str, int]], limit: int
) -> tuple[list[JudgedDocument], dict[str, Mapping[str, int]]]:
    """At most ``limit`` documents in their order, and the queries whose judged documents are all among them."""
    there = {document.id for document in documents}
    wanted: set[str] = set()
    kept: dict[str, Mapping[str, int]] = {}
    for query, judged in qrels.items():
        needed = set(judged) & there
        if needed and len(wanted | needed) <= limit:
            wanted |= needed
            kept[query] = judged
    for document in documents:
        if len(wanted) >= limit:
            break
        wanted.add(document.id)
    return [document for document in documents if document.id in wanted], kept


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Judgements from a TSV file with a head line: query id, document id, relevance."""
    qrels: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8") as file:
        next(file, None)
        for number, line in enumerate(file, start=2):
            if not line.strip():
                continue
            fields = line.rstrip("\n").split("\t")
            try:
                query, document, relevance = fields[0], fields[1], int(fields[2])
            except (IndexError, ValueError):
                raise _bad_line(path, number, "expected: query id, tab, document id, tab, a whole number") from None
            qrels.setdefault(query, {})[document] = relevance
    return qrels


def _json_lines(path: Path, needed: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
            except ValueError as error:
                raise _bad_line(path, number, str(error)) from None
            if not isinstance(fields, dict) or not all(isinstance(fields.get(name), str) for name in needed):
                raise _bad_line(path, number, f"expected an object with the texts {', '.join(needed)}")
            yield fields


def _bad_line(path: Path, number: int, reason: str) -> InvalidInput:
    return InvalidInput(f"{path}, line {number}: {reason}", code="bad-evaluation-file")
