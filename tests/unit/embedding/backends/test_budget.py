from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.embedding.backends.budget import CANDIDATES, _choose, measured_budget


def test_a_budget_is_measured_once_and_kept(tmp_path: Path) -> None:
    seen: list[int] = []

    def forward(rows: list[list[int]]) -> None:
        seen.append(sum(map(len, rows)))

    file = tmp_path / "budget.json"
    first = measured_budget(file, forward, streams=2, token_id=5)
    assert first in CANDIDATES
    assert set(CANDIDATES) <= set(seen)
    seen.clear()
    assert measured_budget(file, forward, streams=2, token_id=5) == first
    assert seen == []


@pytest.mark.parametrize("content", ["", "[]", '{"batch_tokens": 7}', '{"batch_tokens": "2048"}', "\x00"])
def test_what_cannot_be_read_is_measured_again(tmp_path: Path, content: str) -> None:
    file = tmp_path / "budget.json"
    file.write_text(content)
    chosen = measured_budget(file, lambda _: None, streams=1, token_id=1)
    assert json.loads(file.read_text())["batch_tokens"] == chosen


def test_a_larger_budget_must_be_clearly_faster() -> None:
    assert _choose({1024: 100.0, 2048: 104.0, 4096: 104.0}) == 1024
    assert _choose({1024: 100.0, 2048: 110.0, 4096: 112.0}) == 2048
    assert _choose({1024: 100.0, 2048: 110.0, 4096: 130.0}) == 4096
    assert _choose({1024: 100.0, 2048: 0.0, 4096: 0.0}) == 1024
