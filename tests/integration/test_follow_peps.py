"""The real thing at a reduced size: PEPs from a folder; only those that change are embedded again.

`python -m bench.follow` does it with all of them through the whole product.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from services.sources.values import Tally
from tests.conftest import RedisPair
from tests.evaldata import evaluation_folder
from tests.integration.source_tools import LONG_AGO_S, Follower, make_follower

TAKEN = 60
CHANGED = 10


def generations(follower: Follower) -> dict[str, tuple[int, int]]:
    """The visible generation of each document, and its chunks."""
    page = follower.api.services.ledger.documents(follower.collection.id, limit=500)
    return {record.id: (record.visible_generation, record.chunks) for record in page.items}


def test_touching_ten_peps_embeds_ten_again(redis_pair: RedisPair, tmp_path: Path) -> None:
    peps = sorted(evaluation_folder("peps").rglob("pep-*.rst"), key=lambda file: file.stat().st_size)[:TAKEN]
    assert len(peps) == TAKEN
    with make_follower(redis_pair, tmp_path) as follower:
        for pep in peps:
            shutil.copyfile(pep, follower.root / pep.name)
            os.utime(follower.root / pep.name, (LONG_AGO_S, LONG_AGO_S))
        follower.add(str(follower.root), name="peps")
        assert follower.tally("peps") == Tally(added=TAKEN)
        assert follower.searchable() == {f"peps/{pep.name}" for pep in peps}
        before = generations(follower)

        for pep in peps:  # new times alone are no news
            os.utime(follower.root / pep.name, (LONG_AGO_S + 60, LONG_AGO_S + 60))
        assert follower.tally("peps") == Tally(unchanged=TAKEN)
        assert follower.api.services.ledger.in_flight(follower.collection.id) == 0

        changed = {f"peps/{pep.name}" for pep in peps[:CHANGED]}
        for pep in peps[:CHANGED]:
            with (follower.root / pep.name).open("a") as file:
                file.write("\nA sentence that was not there before.\n")
            os.utime(follower.root / pep.name, (LONG_AGO_S + 120, LONG_AGO_S + 120))
        assert follower.tally("peps") == Tally(changed=CHANGED, unchanged=TAKEN - CHANGED)
        assert follower.api.services.ledger.in_flight(follower.collection.id) == CHANGED
        follower.api.drain()
        after = generations(follower)
        assert {name for name in after if after[name][0] != before[name][0]} == changed
