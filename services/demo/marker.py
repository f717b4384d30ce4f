"""How far the demo is, kept in the data folder: so an interrupted one goes on and a deleted one does not come back."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class DemoState(StrEnum):
    """How far: never begun, begun, all accepted, its collection deleted since, or left out as its name was taken."""

    ABSENT = "absent"
    LOADING = "loading"
    DONE = "done"
    DELETED = "deleted"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class DemoMarker:
    """The content of ``demo.json``.

    ``corpus`` names what the documents were made from (another Python has others), ``accepted`` how many of them, in
    their fixed order, the product has taken; ``collection_id`` tells the demo's collection from a later namesake.
    """

    state: DemoState = DemoState.ABSENT
    collection_id: str = ""
    corpus: str = ""
    accepted: int = 0

    @property
    def settled(self) -> bool:
        """Whether a start of the product has nothing to do for the demo."""
        return self.state not in (DemoState.ABSENT, DemoState.LOADING)


def read_marker(path: Path) -> DemoMarker:
    """The marker; one that is missing or damaged means that nothing was begun (ids are stable: nothing doubles)."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return DemoMarker(
            DemoState(found["state"]), str(found["collection_id"]), str(found["corpus"]), int(found["accepted"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return DemoMarker()


def write_marker(path: Path, marker: DemoMarker) -> None:
    """Replaces the marker in one step."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    temporary.write_text(json.dumps(asdict(marker)) + "\n", "utf-8")
    temporary.replace(path)
