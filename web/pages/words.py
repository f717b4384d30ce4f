"""Numbers, times and states in the words a reader understands. Pure functions, used as template filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from services.ledger.values import CollectionCounts, DocumentKind, DocumentRecord, DocumentState, Job

STATE_WORDS: Mapping[str, str] = {
    DocumentState.PENDING: "Waiting",
    DocumentState.PROCESSING: "Being read",
    DocumentState.READY: "Searchable",
    DocumentState.FAILED: "Failed",
    DocumentState.DELETED: "Deleted",
    DocumentState.SUPERSEDED: "Replaced by a newer version",
    DocumentState.CANCELLED: "Cancelled",
}
_PLAIN_WORD = re.compile(r"[a-z]+[ ,;:]")
_LIVE_STATES = (DocumentState.PENDING, DocumentState.PROCESSING, DocumentState.READY, DocumentState.FAILED)


def number(value: float) -> str:
    """1240 as "1,240"; other than whole numbers with at most two places."""
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def plural(count: int, one: str, many: str = "") -> str:
    """A count and its noun: "1 passage", "1,240 passages"; ``many`` where adding an s is not enough."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def size(count_bytes: int) -> str:
    """Bytes as "640 bytes", "12 kB" or "3.4 MB" (powers of 1000)."""
    if count_bytes < 1000:
        return plural(count_bytes, "byte")
    if count_bytes < 1_000_000:
        return f"{count_bytes / 1000:.0f} kB"
    return f"{count_bytes / 1_000_000:.1f} MB"


def sentence(text: str) -> str:
    """A message as a sentence: with a full stop, and a capital unless it begins with a name ("notes.txt: ...")."""
    if _PLAIN_WORD.match(text):
        text = text[0].upper() + text[1:]
    return text if not text or text.endswith((".", "?", "!")) else text + "."


def iso_time(epoch_ms: int) -> str:
    """RFC 3339 in UTC, for the ``datetime`` attribute that the browser turns into local time."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_time(epoch_ms: int) -> str:
    """A time for people, "20 Nov 2026, 21:22 UTC"."""
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def duration(seconds: float) -> str:
    """A rough length of time: "a few seconds", "about 40 seconds", "about 3 minutes", "about 2 hours"."""
    if seconds < 8:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds / 10) * 10} seconds"
    if seconds < 5400:
        return f"about {plural(round(seconds / 60), 'minute')}"
    return f"about {plural(round(seconds / 3600), 'hour')}"


def took(milliseconds: int) -> str:
    """A measured time: "12 ms", "1.2 s", "3 minutes"."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 90_000:
        return f"{milliseconds / 1000:.1f} s"
    return plural(round(milliseconds / 60_000), "minute")


def reason_words(code: str) -> str:
    """An error's code as a heading: "no-text" as "No text"."""
    return code.replace("-", " ").capitalize()


def web_link(url: str) -> str:
    """The address when it is plain http or https, else "": a document may claim ``javascript:`` or worse."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def document_name(record: DocumentRecord) -> str:
    """What to call a document: its title, else its file, else its id."""
    return record.title or record.source or record.id


def document_state(record: DocumentRecord) -> str:
    """The state of a document in plain words; an update that is under way or went wrong says what is searchable."""
    if record.kind is DocumentKind.DELETE:
        return "Deleted" if record.state is DocumentState.READY else "Being deleted"
    word = STATE_WORDS[record.state]
    if record.visible_generation and record.state in (DocumentState.PENDING, DocumentState.PROCESSING):
        return f"{word}; the earlier version is searchable"
    if record.visible_generation and record.state is DocumentState.FAILED:
        return "Update failed; the earlier version is searchable"
    return word


def waiting_documents(counts: CollectionCounts) -> int:
    """Documents of a collection that are still to be read or being read."""
    return sum(counts.documents.get(state, 0) for state in (DocumentState.PENDING, DocumentState.PROCESSING))


def live_documents(counts: CollectionCounts) -> int:
    """Documents a collection has or is about to have: everything that is neither deleted, replaced nor cancelled."""
    return max(counts.searchable, sum(counts.documents.get(state, 0) for state in _LIVE_STATES))


def job_settled(job: Job) -> int:
    """Documents of a job that need no more work, however they ended."""
    return job.counts.total - job.counts.pending - job.counts.processing


def job_progress(job: Job) -> str:
    """How far a job is, in one sentence.

    Unchanged documents are told apart from searchable ones: another job may still have them to do, or be cancelled.
    """
    counts = job.counts
    if job.finished_at is None:
        same = f", {number(counts.unchanged)} unchanged" if counts.unchanged else ""
        return f"{number(counts.ready)} of {number(counts.total)} searchable so far{same}"
    parts = [
        (counts.ready, "searchable"),
        (counts.unchanged, "unchanged"),
        (counts.deleted, "deleted"),
        (counts.failed, "failed"),
        (counts.superseded, "replaced by a newer version"),
        (counts.cancelled, "cancelled"),
    ]
    said = [f"{number(count)} {word}" for count, word in parts if count]
    return ", ".join(said) or "Nothing to do"
