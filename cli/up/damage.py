"""A Redis that refuses to start because its files are damaged: recognised by its last words, told with the remedy."""

from __future__ import annotations

from cli.up.embedded import INDEX, LEDGER
from cli.up.folder import DataFolder
from services.errors import Conflict, NearfieldError

UNDER_WAY = "REBUILDING"
"""A file beside the ledger's data while it is being made again: what is there does not count yet."""
_DAMAGED = (
    "bad file format reading the append only file",
    "unrecoverable error reading the append only file",
    "error reading the append only file",
    "internal error in rdb reading",
    "wrong signature trying to load db",
    "fatal error loading the db",
    "rdb crc error",
    "aof manifest",
    "the aof file is",
    "appended file",
    "error trying to load the rdb",
)
_COSTS = {
    LEDGER: "The accepted documents are safe in their envelopes; the ledger is made again from them",
    INDEX: "The accepted documents and the ledger are safe; the index is made again from them, which embeds anew",
}


def speaks_of_damage(log_tail: str) -> bool:
    """Whether a server's last words say that it cannot read its own files."""
    text = log_tail.lower()
    return any(words in text for words in _DAMAGED)


def remedy(role: str, folder: DataFolder) -> str:
    """The command that makes a damaged server's data again."""
    return f"nearfield rebuild --{role} --data-dir {folder.root}"


def damaged_store(role: str, folder: DataFolder, log_tail: str = "") -> NearfieldError:
    """The error for a server whose files are damaged."""
    last = [line for line in log_tail.strip().splitlines() if line.strip()][-3:]
    said = ("; it said:\n\n" + "\n".join(last) + "\n") if last else ""
    return NearfieldError(
        f"the embedded {role} Redis does not start, because its files in {folder.redis(role)} are damaged. "
        f"{_COSTS[role]}: run `{remedy(role, folder)}` (the damaged files are moved aside, not deleted){said}",
        code=f"{role}-damaged",
    )


def require_finished_rebuild(folder: DataFolder) -> None:
    """Refuses a data folder whose ledger is only half made.

    Raises:
        Conflict: code "rebuild-unfinished".
    """
    if (folder.redis(LEDGER) / UNDER_WAY).exists():
        raise Conflict(
            f"making the ledger of {folder.root} again was broken off: run `{remedy(LEDGER, folder)}` to its end first",
            code="rebuild-unfinished",
        )
