"""What the keeper's running audit found, as ``/readyz`` tells it: beside the checks, and never one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.audit.running import KEY
from tests.apiapp import Api, make_api
from tests.conftest import RedisPair
from web.api.health import SHOWN_FINDINGS


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        yield made


def audit(api: Api) -> tuple[dict[str, bool], Any]:
    found = api.client.get("/readyz").get_json()
    return {name: check["ok"] for name, check in found["checks"].items()}, found["audit"]


def test_there_is_nothing_before_the_first_round(api: Api) -> None:
    assert audit(api)[1] is None


def test_a_round_is_told_and_is_no_check(api: Api) -> None:
    before, _ = audit(api)
    findings = [f"docs: {number} documents lack chunks in the index" for number in range(SHOWN_FINDINGS + 5)]
    api.services.ledger_client.set(KEY, json.dumps({"at": 1_795_000_000_123, "findings": findings}))
    checks, said = audit(api)
    assert checks == before
    assert said == {
        "ended_at": "2026-11-18T11:06:40.123Z",
        "found": len(findings),
        "findings": findings[:SHOWN_FINDINGS],
    }


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"at": "now", "findings": []}', '{"at": 1e99}', '{"at": 1}'])
def test_what_is_unreadable_is_nothing(api: Api, kept: str) -> None:
    api.services.ledger_client.set(KEY, kept)
    assert audit(api)[1] is None


def test_a_ledger_that_is_away_is_not_asked_for_it(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(private_redis_pair, tmp_path) as api:
        private_redis_pair.ledger.kill()
        checks, said = audit(api)
        assert (checks["ledger"], said) == (False, None)
