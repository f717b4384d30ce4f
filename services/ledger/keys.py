"""Names of the ledger's keys, as far as Python reads them. The scripts' prelude builds the same names in Lua.

All of them stand under ``nf:l:`` on the ledger Redis; a job's description lies where redis-om looks for it.
"""

from __future__ import annotations

from services.ids import PREFIX

ROOT = f"{PREFIX}:l"
COLLECTIONS = f"{ROOT}:collections"
DROPPED = f"{ROOT}:dropped"
ENVELOPES = f"{ROOT}:env"
LEASES = f"{ROOT}:leases"
FINISHED_JOBS = f"{ROOT}:jobs:done"
JOB_NUMBER = f"{ROOT}:jobs:number"
INSTANCE = f"{ROOT}:instance"
KEEPER = f"{ROOT}:keeper"
KEEPER_LOCK = f"{ROOT}:keeper:lock"
ORPHANS = f"{ROOT}:orphans"
JOB_INDEX_LOCK = f"{ROOT}:jobs:index:lock"
LANES = ("fast", "again", "bulk")

# on the index Redis, where the rest is named in services.ids
INDEX_INSTANCE = f"{PREFIX}:instance"


def document(collection_id: str, doc_hash: str) -> str:
    """A document's record, a hash."""
    return f"{ROOT}:d:{collection_id}:{doc_hash}"


def collection(collection_id: str) -> str:
    """A collection's own figures: accept sequence, bell, visible chunks, live index version, cursors of the keeper."""
    return f"{ROOT}:c:{collection_id}"


def all_documents(collection_id: str) -> str:
    """Documents that are not deleted, by accept sequence."""
    return f"{ROOT}:all:{collection_id}"


def in_state(collection_id: str, state: str) -> str:
    """Documents in one state, by accept sequence; ``expanded`` holds the sources that are done."""
    return f"{ROOT}:st:{collection_id}:{state}"


def due(collection_id: str, lane: str) -> str:
    """Documents that wait for a worker, by the time they may be taken, us."""
    return f"{ROOT}:due:{collection_id}:{lane}"


def visible(collection_id: str) -> str:
    """Documents that the index shows, by finish sequence."""
    return f"{ROOT}:vis:{collection_id}"


def lost(collection_id: str) -> str:
    """Documents that the index showed, lost, and does not show again yet."""
    return f"{ROOT}:lost:{collection_id}"


def children(collection_id: str, doc_hash: str) -> str:
    """Documents that a source was expanded into, by the generation of the source that had them last."""
    return f"{ROOT}:kids:{collection_id}:{doc_hash}"


def job(job_id: str) -> str:
    """A job's counters."""
    return f"{ROOT}:j:{job_id}"


def job_documents(job_id: str) -> str:
    """The documents a job took in, in order."""
    return f"{ROOT}:jd:{job_id}"


def lease(token: str) -> str:
    """What is held under a lease token."""
    return f"{ROOT}:t:{token}"


def answer(name: str) -> str:
    """A remembered answer to a request id."""
    return f"{ROOT}:q:{name}"
