"""Findings in plain words: what is wrong, and what the repair will do about it."""

from __future__ import annotations

from services.audit.values import Finding, Kind

_WORDS: dict[Kind, tuple[str, str]] = {
    Kind.INDEX_ABSENT: ("the search index does not exist", "it is made, and everything is compared with it"),
    Kind.NOT_INDEXED: ("{n} ready documents are not in the index", "they are indexed again from their originals"),
    Kind.CHUNKS_MISSING: ("{n} documents lack chunks in the index", "they are taken out and indexed again"),
    Kind.CHUNKS_UNSOUND: ("{n} documents have chunks with an unusable vector", "they are taken out and indexed again"),
    Kind.GIVEN_UP: ("{n} documents count as failed and are in the index all the same", "they become ready"),
    Kind.AHEAD: (
        "{n} documents are newer in the index than the ledger knows, as after restoring an old ledger",
        "nothing, as it is not known which is right: add them again, or rebuild the collection",
    ),
    Kind.UNKNOWN: ("{n} documents in the index were never accepted", "they are removed after a second look"),
    Kind.STRAYS: ("{n} chunks in the index belong to no document", "they are removed after a second look"),
    Kind.HALF_STAGED: (
        "{n} documents have a version in the index that was begun and never shown",
        "the unfinished version is removed after a second look",
    ),
    Kind.LEFT_OVER: ("{n} documents have chunks of a replaced version left over", "the left-over chunks are removed"),
    Kind.LISTS: ("{n} documents stand in lists that do not fit their state", "the lists are put right"),
    Kind.STUCK: ("{n} documents wait and nobody will ever take them", "they are queued"),
    Kind.LEDGER_CHUNKS: ("the ledger's number of chunks has drifted ({members})", "it is counted anew"),
    Kind.INDEX_COUNTERS: ("the index's own counters have drifted ({members})", "they are counted anew"),
    Kind.ENGINE_COUNT: (
        "the Query Engine knows another number of chunks than there are ({members})",
        "the search index is made again from the chunks; searches answer 503 until it has read them",
    ),
    Kind.REFERENCES: ("{n} envelopes are referred to by another number of documents than is noted", "it is put right"),
    Kind.ENVELOPE_MISSING: (
        "{n} documents whose stored original is gone",
        "they are marked failed; what the index holds of them stays found. Add them again",
    ),
    Kind.ENVELOPE_DAMAGED: (
        "{n} documents whose stored original is damaged",
        "they are marked failed; what the index holds of them stays found. Add them again",
    ),
    Kind.NOT_DESCRIBED: ("{n} collections have no description on disk, as a lost ledger would need", "it is written"),
    Kind.NOBODYS_TEXTS: ("{n} folders of extracted texts belong to no collection", "they are removed"),
}


def what(finding: Finding) -> str:
    """What is wrong, as one sentence without its full stop."""
    text = _WORDS[finding.kind][0].format(n=f"{finding.count:,}", members=" instead of ".join(finding.members[:2]))
    where = f"{finding.collection}: " if finding.collection else ""
    examples = f" ({', '.join(repr(example) for example in finding.examples)})" if finding.examples else ""
    return f"{where}{text}{examples}"


def remedy(finding: Finding) -> str:
    """What ``--repair`` does about it."""
    return _WORDS[finding.kind][1]
