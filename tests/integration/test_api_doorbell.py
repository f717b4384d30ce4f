"""The web process's doorbell on a real broker: what it leaves in the queue, and how it bears a broker that is away."""

from __future__ import annotations

import base64
import json
import logging

import pytest

from services.doorbell import BELL_QUEUE, BELL_TASK, PAYLOAD_VERSION, PURGE_TASK
from services.redis_clients import BULK, Client, connect
from tests.conftest import RedisPair
from tests.processes import wait_until
from web.doorbell import ThreadedDoorbell, celery_sender


def test_a_ring_lies_in_the_workers_queue(redis_pair: RedisPair, ledger_client: Client) -> None:
    bell = ThreadedDoorbell(celery_sender(redis_pair.ledger.url))
    bell.ring("c1")
    wait_until(lambda: ledger_client.llen(BELL_QUEUE) == 1, "the bell in the queue")
    bell.purge("c2")
    wait_until(lambda: ledger_client.llen(BELL_QUEUE) == 2, "both in the queue")
    bell.close()
    messages = [json.loads(text) for text in reversed(ledger_client.lrange(BELL_QUEUE, 0, -1))]
    assert [message["headers"]["task"] for message in messages] == [BELL_TASK, PURGE_TASK]
    assert all(message["content-type"] == "application/json" for message in messages)
    payloads = [json.loads(base64.b64decode(message["body"]))[1] for message in messages]
    assert payloads == [
        {"version": PAYLOAD_VERSION, "collection_id": "c1"},
        {"version": PAYLOAD_VERSION, "collection_id": "c2"},
    ]


def test_a_broker_that_was_away_is_rung_again(private_redis_pair: RedisPair, caplog: pytest.LogCaptureFixture) -> None:
    server = private_redis_pair.ledger
    bell = ThreadedDoorbell(celery_sender(server.url))
    bell.ring("first")
    wait_until(lambda: not bell._notes, "the first message taken")
    server.kill()
    with caplog.at_level(logging.WARNING):
        bell.ring("lost")
        wait_until(lambda: "was not heard" in caplog.text, "the failed message noted")
    server.start()

    def heard() -> bool:
        bell.ring("again")
        return any(b"again" in body for body in bodies(server.url))

    wait_until(heard, "a message after the broker came back", pause_s=0.2)
    bell.close()


def bodies(url: str) -> list[bytes]:
    client = connect(url, BULK)
    try:
        return [base64.b64decode(json.loads(text)["body"]) for text in client.lrange(BELL_QUEUE, 0, -1)]
    finally:
        client.close()
