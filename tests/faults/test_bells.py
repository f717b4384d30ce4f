"""F16, F21: doorbells that ring too often, and things in the queue that are no doorbells."""

from __future__ import annotations

import base64
import json
import pickle
import time

import pytest

from services.doorbell import BELL_QUEUE, BELL_TASK
from services.redis_clients import BULK, Client, connect
from tests.conftest import RedisPair
from tests.faults.harness import figures, plan
from tests.faults.harness.rig import Rig, rig
from tests.processes import wait_until
from workers.app import make_app
from workers.doorbell import CeleryDoorbell

LONG_S = 3600
GAP_S = 5.0
MESSAGES = 100 if plan.FULL else 12


def collection_id(here: Rig) -> str:
    return str(here.product.call("GET", "/api/v1/collections/docs")[1]["id"])


@pytest.mark.timeout(LONG_S)
def test_bells_may_ring_as_often_as_they_like(private_redis_pair: RedisPair) -> None:
    """Each bell rings one to five times for two workers at once, also after the work and after a delete."""
    rounds, dice = (60 if plan.FULL else 12), plan.dice("F16")
    doorbell = CeleryDoorbell(make_app(private_redis_pair.ledger.url, "fault-suite"))
    with rig(private_redis_pair) as here:
        product, cid = here.product, collection_id(here)
        beat = here.folder / "run" / "second"
        second = product._process("workers.main", ["--heartbeat", str(beat)], dict(product.worker.environment))
        second.start()
        here.supervisor.add(second, beat)
        here.poll()
        try:
            for turn in range(rounds):
                first = turn * 10
                here.put([(first + place, 1 + place % 3) for place in range(10)], f"new-{turn}")
                for _ in range(dice.randint(1, 5)):
                    doorbell.ring(cid)
                gone = first + dice.randrange(10)
                here.delete(gone, f"delete-{turn}")
                for _ in range(dice.randint(1, 5)):
                    doorbell.ring(cid)
                if turn % 3 == 0:
                    here.put([(gone, 7), (first, 2)] if gone != first else [(gone, 7)], f"again-{turn}")
            here.settle()
            for _ in range(5):
                doorbell.ring(cid)
            here.judge("F16")
        finally:
            here.supervisor.leave(second)
            second.kill()


def envelope(body: str, content_type: str = "application/json", task: str = BELL_TASK) -> str:
    """A message as Celery lays it into the queue."""
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": "x", "root_id": "x", "argsrepr": "()", "kwargsrepr": "{}"},
            "properties": {
                "correlation_id": "x",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": BELL_QUEUE},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "t",
            },
        }
    )


def poison() -> list[str | bytes]:
    """One of each kind of thing that is no doorbell."""
    arguments = json.dumps([["unexpected", 1], {"version": 1}, {}])
    unknown_version = json.dumps([[], {"version": 99, "collection_id": "x"}, {}])
    code = base64.b64encode(pickle.dumps(print)).decode()
    return [
        "not json",
        "{}",
        "[]",
        "null",
        "{" * 2000,
        b"\xff\xfe\x00",
        envelope("x" * (10 * 1024 * 1024)),
        envelope(code, "application/x-python-serialize"),
        envelope(json.dumps([[], {}, {}]), task="no.such.task"),
        envelope(arguments),
        envelope(unknown_version),
        envelope("null"),
        envelope(json.dumps({"a": 1})),
        json.dumps({"body": 5, "headers": None, "properties": None}),
        json.dumps({"body": "", "headers": {}, "properties": {}}),
    ]


def push(client: Client, message: str | bytes) -> None:
    client.lpush(BELL_QUEUE, message)


@pytest.mark.timeout(LONG_S)
def test_what_is_no_bell_does_not_stop_the_work(private_redis_pair: RedisPair) -> None:
    """R10: after each malformed message a document is accepted; how long it takes to become searchable is the gap."""
    kinds, gaps = poison(), []
    client = connect(private_redis_pair.ledger.url, BULK)
    with rig(private_redis_pair) as here:
        here.put([(0, 1)], "first")
        here.settle()
        before = here.supervisor.restarts()
        for number in range(1, MESSAGES + 1):
            push(client, kinds[(number + plan.SEED) % len(kinds)])
            here.put([(number, 1)], f"new-{number}")
            started = time.monotonic()
            wait_until(lambda: here.open_documents() == 0, f"message {number} survived", limit_s=120)
            gaps.append(time.monotonic() - started)
        here.judge("R10")
        figures.put("R10: malformed messages survived", f"{len(gaps)} of {MESSAGES}")
        figures.spread("R10: gap", gaps)
        figures.put("R10: restarts of the worker", here.supervisor.restarts() - before)
        assert here.product.worker.process is not None
        if plan.FULL:
            assert max(gaps) <= GAP_S
    client.close()
