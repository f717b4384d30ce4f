"""0 accepted documents lost, doubled or half visible over kills of the worker and of both Redis servers (F1, F3).

The schedule is keyed to progress (a fault after the k-th operation has ended), so a seed replays the same faults on any
machine. The checker trusts only the client's own journal of answers with 202 and what search and the index show.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.conftest import RedisPair
from tests.faults.harness import figures, plan
from tests.faults.harness.plan import Size, size
from tests.faults.harness.rig import Rig, Workload, on_schedule, rig, sweep_folder

LONG_S = 7200
R5_P95_S, R5_MAX_S = 30.0, 60.0
R6_SEARCH_S = 5.0


def p95(samples: list[float]) -> float:
    return sorted(samples)[min(len(samples) - 1, int(0.95 * len(samples)))]


def finish(here: Rig, what: str) -> None:
    here.judge(what)
    here.supervisor.close()
    here.product.stop()
    sweep_folder(here)


@pytest.mark.timeout(LONG_S)
def test_nothing_is_lost_over_kills_of_the_worker(private_redis_pair: RedisPair) -> None:
    much = size(Size(500, 6), Size(10_000, 50))
    with rig(private_redis_pair) as here:
        work = Workload(here, much.documents, plan.dice("R1 workload"))
        here.poll()
        work.start()
        kills = [lambda: here.kill(here.product.worker)] * much.faults
        on_schedule(here, work, kills, plan.dice("R1 marks"))
        finish(here, "R1")
        if plan.FULL and here.clocks.affected:
            assert p95(here.clocks.affected) <= R5_P95_S
            assert max(here.clocks.affected) <= R5_MAX_S


@pytest.mark.timeout(LONG_S)
def test_nothing_is_lost_over_kills_of_each_redis(private_redis_pair: RedisPair) -> None:
    much = size(Size(400, 3), Size(10_000, 20))
    with rig(private_redis_pair) as here:
        work = Workload(here, much.documents, plan.dice("R2 workload"))
        here.poll()
        work.start()
        dice, pair = plan.dice("R2 faults"), private_redis_pair
        servers = [pair.ledger, pair.index] * much.faults
        dice.shuffle(servers)
        kills = [partial(here.kill_server, server, dice.choice(plan.pauses())) for server in servers]
        kills += [lambda: here.kill(here.product.keeper), lambda: here.kill(here.product.web)]
        on_schedule(here, work, kills, plan.dice("R2 marks"))
        finish(here, "R2")
        if plan.FULL:
            assert p95(here.clocks.search) <= R6_SEARCH_S
    figures.put("R2: kills of each server", much.faults)
