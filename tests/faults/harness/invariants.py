"""The invariants I1 to I10, checked from the journal's promises, what the product tells, and the index server's keys.

Each check returns what it found wrong, in words; ``check`` collects them, so that one run shows everything at once.
The collection must be at rest: nothing pending, nothing in a worker's hands.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.embedding.builtin import HASH_SPEC
from services.embedding.hash_embedder import HashEmbedder
from services.ids import hash_document_id
from services.ledger import keys
from tests.faults.harness import shelves, texts
from tests.faults.harness.journal import Promises
from tests.faults.harness.shelves import ChunkKey, Shelf
from tests.faults.harness.views import Seen, View

END_STATES = {"ready", "failed", "cancelled", "deleted"}
PROBES = 12
RECALL_QUERIES = 20
RECALL_AT = 10
PAGE = 100


@dataclass(frozen=True)
class Case:
    """Everything a check may look at."""

    view: View
    promises: Promises
    seen: dict[str, Seen]
    shelf: Shelf
    may_fail: Callable[[str], bool]


def check(
    view: View,
    promises: Promises,
    *,
    may_fail: Callable[[str], bool] = lambda document_id: False,
    may_leave: bool = False,
) -> None:
    """Asserts I1 to I8 and I10 (I9 is ``check_folder``).

    Args:
        may_fail: documents that may end failed, as long as they say why; all others must be searchable.
        may_leave: whether chunks that nobody sees may be left to be cleared: a log that was cut loses the clearing.
    """
    listed = list(view.documents())
    wrong = [f"I3 {entry} is listed {count} times" for entry, count in _doubles(seen.id for seen in listed)]
    shelf = shelves.read(view.index, view.collection_id)
    shelf = shelves.without_left_overs(shelf) if may_leave else shelf
    case = Case(view, promises, {seen.id: seen for seen in listed}, shelf, may_fail)
    for part in (_promised, _phantoms, _chunks, _totals, _states):
        wrong += part(case)
    if not wrong:
        for part in (_searches, _groups, _recall):
            wrong += part(case)
    assert not wrong, f"{len(wrong)} violations: " + "; ".join(wrong[:12])


def _doubles(names: Iterable[str]) -> list[tuple[str, int]]:
    return [(name, count) for name, count in Counter(names).items() if count > 1]


def _promised(case: Case) -> list[str]:
    """I1: what was accepted last is searchable, failed with a reason, or deleted as asked."""
    wrong = []
    for document_id, promise in case.promises.kept.items():
        seen = case.seen.get(document_id)
        if document_id in case.promises.open:
            continue
        if promise.version is None:
            if seen is not None:
                wrong.append(f"I1 {document_id} was deleted and is {seen.state}")
        elif seen is None:
            wrong.append(f"I1 {document_id} is lost")
        elif seen.generation != promise.generation:
            wrong.append(f"I1 {document_id} wants {seen.generation}, promised was {promise.generation}")
        elif seen.state in ("failed", "cancelled") and case.may_fail(document_id):
            if not seen.error:
                wrong.append(f"I1 {document_id} is {seen.state} without a reason")
        elif seen.state != "ready" or seen.visible != promise.generation:
            wrong.append(f"I1 {document_id} is {seen.state} ({seen.error}), visible {seen.visible}")
    return wrong


def _phantoms(case: Case) -> list[str]:
    """I2: nothing is there that nobody sent."""
    wrong = [f"I2 {document_id} was never sent" for document_id in case.seen if document_id not in case.promises.tried]
    sent = {hash_document_id(document_id): document_id for document_id in case.promises.tried}
    for name, head in case.shelf.heads.items():
        if name not in sent:
            wrong.append(f"I2 a head of {head.get('id', name)!r} that was never sent")
        elif head.get("live") == "1" and sent[name] not in case.seen:
            wrong.append(f"I2 {sent[name]} is visible and not listed")
    return wrong


def _chunks(case: Case) -> list[str]:
    """I3: each visible document has the chunks of one generation, all of them, and nobody else has any."""
    wrong, owned = [], set()
    for document_id, seen in case.seen.items():
        head, found = case.shelf.of(document_id)
        owned.add(hash_document_id(document_id))
        if seen.kind == "source" or not seen.visible:
            if found or head.get("live") == "1":
                wrong.append(f"I3 {document_id} is not visible and has chunks of {sorted(found)}")
            continue
        if head.get("live") != "1" or int(head["gen"]) != seen.visible:
            wrong.append(f"I3 {document_id} head {head.get('gen')}, ledger {seen.visible}")
        if set(found) != {seen.visible}:
            wrong.append(f"I3 {document_id} has chunks of {sorted(found)}, visible is {seen.visible}")
            continue
        wrong += _whole(case, seen, found[seen.visible])
    wrong += [f"I3 chunks of {name} belong to no listed document" for name, _ in case.shelf.chunks if name not in owned]
    return wrong


def _whole(case: Case, seen: Seen, chunks: Sequence[ChunkKey]) -> list[str]:
    """The chunks are numbered without a gap, as many as the ledger says, and cover the text that was sent."""
    if [chunk.ordinal for chunk in chunks] != list(range(seen.chunks)):
        return [f"I3 {seen.id} has ordinals {[chunk.ordinal for chunk in chunks]}, the ledger says {seen.chunks}"]
    promise = case.promises.kept.get(seen.id)
    if promise is None or promise.version is None or promise.generation != seen.visible or seen.id.count("#"):
        return []
    whole, end = texts.text(texts.number_of(seen.id), promise.version), 0
    for chunk in chunks:
        if chunk.text != whole[chunk.start : chunk.end]:
            return [f"I3 {seen.id} chunk {chunk.ordinal} is not of version {promise.version}"]
        if whole[end : chunk.start].strip():
            return [f"I3 {seen.id} has a gap before chunk {chunk.ordinal}"]
        end = max(end, chunk.end)
    return [f"I3 {seen.id} ends at {end} of {len(whole)}"] if whole[end:].strip() else []


def _totals(case: Case) -> list[str]:
    """I4: ledger, counters, keys and Query Engine count the same."""
    shelf = case.shelf
    ledger = case.view.ledger.hget(keys.collection(case.view.collection_id), "chunks")
    visible = [seen for seen in case.seen.values() if seen.visible and seen.kind != "source"]
    there = shelf.number_of_chunks()
    counted = {
        "keys": there,
        "Query Engine": shelf.indexed,
        "counter of chunks": shelf.counters.get("chunks", 0),
        "ledger": int(ledger or 0),
        "sum of documents": sum(seen.chunks for seen in visible),
    }
    wrong = [] if len(set(counted.values())) == 1 else [f"I4 chunks differ: {counted}"]
    heads = sum(head.get("live") == "1" for head in shelf.heads.values())
    if not heads == len(visible) == shelf.counters.get("documents", 0):
        wrong.append(f"I4 documents: {len(visible)} visible, {heads} heads, counter {shelf.counters.get('documents')}")
    return wrong + ([f"I4 hash_indexing_failures {shelf.failures}"] if shelf.failures else [])


def _states(case: Case) -> list[str]:
    """I8: legal states only, and nothing held under a lease that has run out."""
    wrong = [f"I8 {seen.id} is {seen.state}" for seen in case.seen.values() if seen.state not in END_STATES]
    leases = case.view.ledger.zrange(keys.LEASES, 0, -1)
    return wrong + [f"I8 a lease is left: {lease!r}" for lease in leases]


def _searches(case: Case) -> list[str]:
    """I6, and I3 as search shows it: scores are numbers in order and range, no document comes twice."""
    wrong, ids = [], sorted(case.seen)
    for document_id in ids[:: max(1, len(ids) // PROBES)][:PROBES]:
        answer = case.view.find(texts.subject(texts.number_of(document_id)))
        scores = [hit.score for hit in answer.hits]
        if answer.status != 200 or not answer.complete:
            wrong.append(f"I6 search {answer.status}, complete {answer.complete}")
        if not all(math.isfinite(score) and 0 <= score <= 1 for score in scores) or scores != sorted(scores)[::-1]:
            wrong.append(f"I6 scores {scores}")
        wrong += [f"I3 {hit} is found {count} times" for hit, count in _doubles(hit.id for hit in answer.hits)]
        alone = case.view.find_only(texts.subject(texts.number_of(document_id)))  # nothing can outrank it there
        if case.seen[document_id].visible and [hit.id for hit in alone.hits] != [document_id]:
            wrong.append(f"I1 {document_id} is not found")
    return wrong


def _groups(case: Case) -> list[str]:
    """I5 and I7: a filter finds as many documents as there are in its group, page by page, and none of another."""
    wrong = []
    for group in texts.GROUPS:
        expected = {
            seen.id
            for seen in case.seen.values()
            if seen.visible and seen.kind != "source" and texts.group(texts.number_of(seen.id)) == group
        }
        found: list[str] = []
        for offset in range(0, min(len(expected) + PAGE, 1000), PAGE):
            answer = case.view.find("anything", limit=PAGE, offset=offset, group=group)
            found += [hit.id for hit in answer.hits]
            wrong += [f"I7 {hit.id} of {hit.group} in {group}" for hit in answer.hits if hit.group != group]
        if len(found) != len(set(found)):
            wrong.append(f"I5 group {group}: pages repeat {_doubles(found)[:3]}")
        if len(expected) <= 1000 - PAGE and set(found) != expected:
            wrong.append(f"I5 group {group}: {len(set(found))} found, {len(expected)} there")
    return wrong


def _recall(case: Case) -> list[str]:
    """I10: what search finds is nearly what comparing with every vector finds. Compared by score: words may tie."""
    vectors, owners = case.shelf.vectors(len(_first_vector(case.shelf)) // 2 or 1)
    if not owners or vectors.shape[1] != HASH_SPEC.dim:
        return []
    embedder, ids = HashEmbedder(), sorted(case.seen)
    met = wanted = 0
    for document_id in ids[:: max(1, len(ids) // RECALL_QUERIES)][:RECALL_QUERIES]:
        word = texts.subject(texts.number_of(document_id))
        exact = vectors @ embedder.embed_queries([word])[0]
        best: dict[str, float] = {}
        for owner, value in zip(owners, exact, strict=True):
            best[owner] = max(best.get(owner, -1.0), float(value))
        top = sorted(best.values(), reverse=True)[:RECALL_AT]
        hits = case.view.find(word, limit=RECALL_AT).hits
        met += sum((1 + top[-1]) / 2 - 2e-3 <= hit.score for hit in hits)
        wanted += len(top)
    recall = met / wanted if wanted else 1.0
    return [f"I10 recall@{RECALL_AT} is {recall:.3f}"] if recall < 0.99 else []


def _first_vector(shelf: Shelf) -> bytes:
    return next((chunk.vector for chunks in shelf.chunks.values() for chunk in chunks), b"")


def check_folder(ledger: object, folder: Path) -> None:
    """I9, and more: every envelope that the ledger points into is there; what nobody points into can be told."""
    referenced = {name.decode() for name in ledger.hkeys(keys.ENVELOPES)}  # type: ignore[attr-defined]
    stored = {path.stem for path in folder.glob("*/*.nfe")}
    missing = referenced - stored
    assert not missing, f"I9 the ledger points into {len(missing)} envelopes that are gone: {sorted(missing)[:3]}"
