"""A provider that is asked over real sockets, and no long pauses between attempts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.embedding.providers import calls
from tests.providers import (
    ProviderServer,
    provider_server,
)


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with provider_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_S", 0.01)
