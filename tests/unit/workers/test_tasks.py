from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import redis

from services.doorbell import BELL_QUEUE, BELL_TASK, PAYLOAD_VERSION, PURGE_TASK
from services.errors import InvalidInput, Unavailable
from services.ingest.pipeline.drain import DrainReport
from tests.integration.pipeline_tools import Bells
from workers.app import make_app
from workers.heartbeat import Heartbeat
from workers.tasks import register_tasks


@dataclass
class Bench:
    """Tasks over services that do as they are told."""

    report: DrainReport = field(default_factory=DrainReport)
    error: Exception | None = None
    left: bool = False
    trained: int = 0
    drained: list[str] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)
    bells: Bells = field(default_factory=Bells)

    def __post_init__(self) -> None:
        self.app = make_app("redis://127.0.0.1:1/0")
        register_tasks(
            self.app,
            drain=self.drain,
            purge=self.purge,
            train=self.train,
            doorbell=self.bells,
            heartbeat=Heartbeat(None),
        )

    def drain(self, collection_id: str) -> DrainReport:
        self.drained.append(collection_id)
        if self.error:
            raise self.error
        return self.report

    def purge(self, collection_id: str) -> bool:
        self.purged.append(collection_id)
        if self.error:
            raise self.error
        return self.left

    def train(self) -> None:
        self.trained += 1

    def call(self, task: str, **payload: object) -> None:
        self.app.tasks[task](**payload)


@pytest.mark.parametrize("more", [True, False])
def test_a_bell_drains_and_rings_again_when_more_is_due(more: bool) -> None:
    bench = Bench(report=DrainReport(3, 0, more))
    bench.call(BELL_TASK, collection_id="c", version=PAYLOAD_VERSION)
    assert bench.drained == ["c"]
    assert bench.bells.rung == (["c"] if more else [])


@pytest.mark.parametrize("left", [True, False])
def test_a_purge_goes_on_until_nothing_is_left(left: bool) -> None:
    bench = Bench(left=left)
    bench.call(PURGE_TASK, collection_id="c")
    assert bench.purged == ["c"]
    assert bench.bells.purges == (["c"] if left else [])


@pytest.mark.parametrize("task", [BELL_TASK, PURGE_TASK])
def test_a_message_of_another_release_is_dropped(task: str) -> None:
    bench = Bench()
    bench.call(task, collection_id="c", version=PAYLOAD_VERSION + 1)
    assert bench.drained == bench.purged == []


@pytest.mark.parametrize("error", [Unavailable("away"), InvalidInput("odd"), redis.ConnectionError("gone")])
@pytest.mark.parametrize("task", [BELL_TASK, PURGE_TASK])
def test_an_error_ends_a_task_quietly_and_rings_nothing(task: str, error: Exception) -> None:
    bench = Bench(error=error)
    bench.call(task, collection_id="c")
    assert bench.bells.rung == bench.bells.purges == []


def test_what_the_application_promises() -> None:
    conf = Bench().app.conf
    assert conf.accept_content == conf.task_serializer.split() == ["json"]
    assert conf.result_backend is None
    assert conf.worker_pool == "solo"
    assert conf.worker_prefetch_multiplier == 1
    assert conf.broker_connection_max_retries is None
    assert 0 < conf.broker_transport_options["socket_timeout"] <= 10
    assert conf.task_default_queue == BELL_QUEUE
