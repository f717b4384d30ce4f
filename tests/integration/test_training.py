"""A model trained on a collection, from the request to the first search with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.embedding.installing.record import read_record
from services.training import desk as desk_module
from services.training.desk import TrainingDesk
from services.training.values import TrainingState
from tests.apiapp import Api, make_api, problem
from tests.conftest import RedisPair
from tests.integration.training_tools import documents
from tests.processes import Product, wait_until

ASKED = {"name": "ours", "family": "tf-idf", "collection": "docs", "settings": {"dim": 8}}


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path, lease_ms=2000) as made:
        yield made


def make_desk(api: Api) -> TrainingDesk:
    services = api.services
    return TrainingDesk(
        settings=services.settings,
        trainings=services.trainings,
        installed=services.installed,
        collections=services.collections,
        admission=services.admission,
    )


def fill(api: Api) -> None:
    api.collection()
    api.add("docs", documents())
    api.drain()


def test_a_model_is_trained_installed_and_searched_with(api: Api) -> None:
    fill(api)
    answer = api.call("POST", "/models", ASKED)
    assert answer.status_code == 202, answer.text
    training = answer.get_json()
    assert answer.headers["Location"] == f"/api/v1/models/trainings/{training['id']}"
    assert (training["state"], training["error"]) == ("pending", None)
    assert make_desk(api).work_once()
    done = api.call("GET", f"/models/trainings/{training['id']}").get_json()
    assert (done["state"], done["attempts"], done["error"]) == ("ready", 1, None)
    assert done["progress"]["documents"] == 30
    model = api.call("GET", "/models/ours").get_json()
    assert (model["family"], model["dimensions"], model["installed"]) == ("tf-idf", 8, True)
    assert model["trained_on"] == {
        "collection": "docs",
        "documents": 30,
        "settings": {"dim": 8},
        "training_id": training["id"],
    }
    assert api.call("POST", "/models/ours/verify").get_json()["ok"]
    api.collection("trained", model="ours")
    api.add("trained", documents())
    api.drain("trained")
    hits = api.call("GET", "/collections/trained/search?q=captain anchor storm&limit=3").get_json()["hits"]
    assert {hit["id"].partition("-")[0] for hit in hits} == {"ships"}
    problem(api.call("DELETE", "/models/ours"), 409, "model-in-use")
    problem(api.call("POST", "/models", ASKED), 409, "model-exists")
    assert not make_desk(api).work_once(), "nothing waits"


def test_an_attempt_that_died_before_its_last_word_is_not_done_twice(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(api)
    training = api.call("POST", "/models", ASKED).get_json()
    store = api.services.trainings
    with monkeypatch.context() as patch:
        patch.setattr(store, "finish", lambda *_arguments: True)
        make_desk(api).work_once()
    assert store.get(training["id"]).state is TrainingState.RUNNING
    before = read_record(api.settings.data_dir / "models" / "ours.json")
    wait_until(store.due, "the lease ends")
    with monkeypatch.context() as patch:
        patch.setattr(desk_module, "run_child", None)  # nothing is left to do for one
        make_desk(api).work_once()
    done = store.get(training["id"])
    assert (done.state, done.attempts) == (TrainingState.READY, 2)
    assert read_record(api.settings.data_dir / "models" / "ours.json") == before


def test_what_cannot_be_trained_says_why(api: Api) -> None:
    api.collection()
    api.add("docs", documents()[:1])
    api.drain()
    problem(api.call("POST", "/models", {**ASKED, "family": "transformer"}), 422, "bad-training")
    problem(api.call("POST", "/models", {**ASKED, "name": "../x"}), 422, "bad-model-name")
    problem(api.call("POST", "/models", {**ASKED, "name": "hash"}), 409, "model-exists")
    problem(api.call("POST", "/models", {**ASKED, "collection": "none"}), 404, "unknown-collection")
    problem(api.call("GET", "/models/trainings/none"), 404, "unknown-training")
    for settings, words in (({}, "at least 3"), ({"dim": -4}, "dim")):
        training = api.call("POST", "/models", {**ASKED, "settings": settings}).get_json()
        if settings:
            api.add("docs", documents()[1:])
            api.drain()
        make_desk(api).work_once()
        failed = api.call("GET", f"/models/trainings/{training['id']}").get_json()
        assert (failed["state"], failed["error"]["code"]) == ("failed", "bad-training")
        assert words in failed["error"]["message"]
    assert {path.name for path in (api.settings.data_dir / "models").iterdir()} <= {".lock"}


def test_a_training_that_runs_is_cancelled(api: Api) -> None:
    fill(api)
    training = api.call("POST", "/models", ASKED).get_json()
    worker = threading.Thread(target=make_desk(api).work_once)
    worker.start()
    wait_until(lambda: api.services.trainings.get(training["id"]).state is TrainingState.RUNNING, "it runs")
    answer = api.call("DELETE", f"/models/trainings/{training['id']}")
    assert answer.status_code == 202
    worker.join(30)
    ended = api.call("GET", f"/models/trainings/{training['id']}").get_json()
    assert (ended["state"], ended["cancelling"]) == ("cancelled", False)
    problem(api.call("GET", "/models/ours"), 404, "unknown-model")


def test_one_that_takes_too_long_is_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(api)
    training = api.call("POST", "/models", ASKED).get_json()
    monkeypatch.setattr(desk_module, "LIMIT_S", 0.2)
    make_desk(api).work_once()
    failed = api.services.trainings.get(training["id"])
    assert (failed.state, failed.code) == (TrainingState.FAILED, "too-slow")
    assert api.services.installed.shelf.folder.exists()
    assert not api.services.installed.shelf.has("ours")


def children(pid: int) -> list[int]:
    """Processes that were started by any thread of a process and train."""
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
        if b"services.training.child" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def test_a_killed_worker_takes_its_child_along_and_the_next_one_trains(redis_pair: RedisPair, tmp_path: Path) -> None:
    product = Product(redis_pair, tmp_path)
    try:
        product.start()
        product.call("POST", "/api/v1/collections", {"name": "docs"})
        product.call("POST", "/api/v1/collections/docs/documents", documents())
        wait_until(
            lambda: product.call("GET", "/api/v1/collections/docs")[1]["documents"]["ready"] == 30, "thirty are ready"
        )
        status, training = product.call("POST", "/api/v1/models", ASKED)
        assert status == 202, training
        assert product.worker.process is not None
        pid = product.worker.process.pid
        (child,) = wait_until(lambda: children(pid), "the child is there", pause_s=0.01)
        product.worker.kill()
        wait_until(lambda: not Path(f"/proc/{child}").exists(), "the child has gone too", 10)
        product.worker.start()
        address = f"/api/v1/models/trainings/{training['id']}"
        product.call("POST", "/api/v1/collections/docs/documents", {"id": "new", "text": "a later document"})
        done = wait_until(
            lambda: (found := product.call("GET", address)[1]) and found["state"] != "running" and found["attempts"] > 1
            and found, "the next worker has done it"
        )  # fmt: skip
        assert (done["state"], done["attempts"], done["error"]) == ("ready", 2, None), product.worker.tail()
        assert product.call("POST", "/api/v1/collections", {"name": "trained", "model": "ours"})[0] == 201
        product.call("POST", "/api/v1/collections/trained/documents", documents())
        wait_until(
            lambda: product.call("GET", "/api/v1/collections/trained")[1]["documents"]["ready"] == 30, "ready again"
        )
        hits = product.call("GET", "/api/v1/collections/trained/search?q=theorem+lemma&limit=1")[1]["hits"]
        assert hits[0]["id"].startswith("maths")
        started = time.monotonic()
        product.worker.kill(15)
        assert time.monotonic() - started < 15
    finally:
        product.stop()
