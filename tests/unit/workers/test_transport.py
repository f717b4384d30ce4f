"""What counts as a doorbell, and that nothing else reaches Celery."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from services.doorbell import BELL_TASK, PURGE_TASK
from workers.transport import is_bell


def message(**changes: Any) -> dict[str, Any]:
    body = json.dumps([[], {"version": 1, "collection_id": "abc"}, {"chain": None}])
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-type": "application/json",
        "headers": {"task": BELL_TASK, "id": "x"},
        "properties": {"delivery_tag": "t", "delivery_info": {}, "body_encoding": "base64"},
        **changes,
    }


def encoded(call: Any) -> str:
    return base64.b64encode(json.dumps(call).encode()).decode()


@pytest.mark.parametrize("task", [BELL_TASK, PURGE_TASK])
def test_a_bell_is_one(task: str) -> None:
    assert is_bell(message(headers={"task": task, "id": "x"}))


NO_BELLS = {
    "null": None,
    "list": [],
    "empty": {},
    "other task": message(headers={"task": "celery.chord", "id": "x"}),
    "no id": message(headers={"task": BELL_TASK}),
    "pickle": message(**{"content-type": "application/x-python-serialize"}),
    "no tag": message(properties={"delivery_info": {}, "body_encoding": "base64"}),
    "body is null": message(body=encoded(None)),
    "body is an object": message(body=encoded({"a": 1})),
    "arguments": message(body=encoded([[1], {"collection_id": "a"}, {}])),
    "unknown argument": message(body=encoded([[], {"collection_id": "a", "path": "/etc/passwd"}, {}])),
    "no collection": message(body=encoded([[], {"version": 1}, {}])),
    "not base64": message(body="%%%"),
    "not JSON": message(body=base64.b64encode(b"{" * 5000).decode()),
    "deep": message(body=base64.b64encode(b"[" * 200_000).decode()),
    "not text": message(body=base64.b64encode(b"\xff\xfe").decode()),
}


@pytest.mark.parametrize("thing", NO_BELLS.values(), ids=NO_BELLS)
def test_anything_else_is_none(thing: object) -> None:
    assert not is_bell(thing)
