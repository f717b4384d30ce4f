"""What worker and fork server say to each other: one packet each on a pair of sockets, JSON in both directions.

worker -> server   a Task, with two descriptors: the document's bytes and the file for the result; or CANCEL
server -> worker   a Hello once; then for each task any number of PROGRESS and one Verdict
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from services.ingest.sandbox.limits import SandboxLimits

CANCEL = b"cancel"
PROGRESS = b"progress"
PACKET_BYTES = 64 * 1024
"""No packet is longer; names are cut before they are sent."""


@dataclass(frozen=True, slots=True)
class Task:
    """One document to read, or the next rows of one source.

    Args:
        action: "extract" or "rows".
        media_type: what to read it as.
        name: its file name, for readers that look at it.
        start, length: where its bytes stand in the descriptor that comes with the task.
        max_text_bytes: the largest text of a document.
        after: the row behind which to begin.
        limit_rows, limit_bytes: where to stop; one row comes in any case.
    """

    action: str
    media_type: str
    name: str
    start: int
    length: int
    limits: SandboxLimits
    max_text_bytes: int = 0
    after: int = 0
    limit_rows: int = 0
    limit_bytes: int = 0

    def encode(self) -> bytes:
        """As a packet."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def decode(packet: bytes) -> Task:
        """From a packet."""
        fields = json.loads(packet)
        return Task(**{**fields, "limits": SandboxLimits(**fields["limits"])})


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a child ended.

    Args:
        signal: that ended it, 0 for none.
        status: its exit status when no signal did.
        stopped: why the server ended it: "wall", "silence", "cancel", or "" when it ended by itself. Where the worker
            cancelled it for what it saw, "asleep" or "looping".
        peak_bytes: the most memory it had at a time.
        cpu_s: the processor time it took.
    """

    signal: int
    status: int
    stopped: str
    peak_bytes: int
    cpu_s: float

    def encode(self) -> bytes:
        """As a packet."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def decode(packet: bytes) -> Verdict:
        """From a packet."""
        return Verdict(**json.loads(packet))


@dataclass(frozen=True, slots=True)
class Hello:
    """A server that is ready, and the media types whose readers could not be imported, with the reason."""

    missing: dict[str, str]

    def encode(self) -> bytes:
        """As a packet."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def decode(packet: bytes) -> Hello:
        """From a packet."""
        return Hello(**json.loads(packet))
