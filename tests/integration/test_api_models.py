"""Models over HTTP: listing, describing, checking, measuring, choosing, removing; broken ones harm nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiapp import Api, make_api, problem
from tests.conftest import RedisPair
from tests.unit.embedding.installing.tools import TEXTS, small_model


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path / "data", model=None) as made:
        made.services.installed.default.choose("hash")
        yield made


def install(api: Api, name: str, dim: int = 8) -> Path:
    folder = api.settings.data_dir / "models" / name
    small_model(folder, dim)
    return folder


def test_an_installed_model_is_offered_at_once(api: Api) -> None:
    assert "mine" not in {item["name"] for item in api.call("GET", "/models").get_json()["items"]}
    install(api, "mine")
    listed = {item["name"]: item for item in api.call("GET", "/models").get_json()["items"]}
    assert next(iter(listed)) == "hash", "the default comes first"
    assert (listed["hash"]["default"], listed["hash"]["default_by"]) == (True, "choice")
    mine = listed["mine"]
    assert (mine["family"], mine["dimensions"], mine["installed"], mine["default_by"]) == ("tf-idf", 8, True, None)
    assert mine["modalities"] == ["text"]
    assert mine["runtime"] is None
    api.collection("docs", model="mine")
    api.add("docs", [{"id": str(n), "text": text} for n, text in enumerate(TEXTS)])
    api.drain()
    mine = api.call("GET", "/models/mine").get_json()
    assert (mine["used_by"], mine["runtime"]["name"]) == (["docs"], "numpy")


def test_choose_the_default(api: Api) -> None:
    install(api, "mine")
    answer = api.call("PUT", "/models/default", {"model": "mine"})
    assert (answer.status_code, answer.get_json()["default"]) == (200, True)
    assert api.call("GET", "/models/default").get_json()["name"] == "mine"
    assert api.collection("docs")["model"] == "mine"
    problem(api.call("DELETE", "/models/mine"), 409, "model-in-use")
    problem(api.call("PUT", "/models/default", {"model": "none"}), 404, "unknown-model")
    problem(api.call("PUT", "/models/default", {"model": "/etc"}), 404, "unknown-model")


def test_a_default_that_is_set_is_not_chosen_otherwise(redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(redis_pair, tmp_path) as api:
        problem(api.call("PUT", "/models/default", {"model": "all-MiniLM-L6-v2"}), 409, "default-is-set")
        assert api.call("GET", "/models/default").get_json()["default_by"] == "setting"


def test_remove(api: Api) -> None:
    install(api, "mine")
    assert api.call("DELETE", "/models/mine").get_json() == {"removed": "mine"}
    problem(api.call("DELETE", "/models/mine"), 404, "unknown-model")
    problem(api.call("DELETE", "/models/hash"), 409, "model-is-built-in")
    problem(api.call("DELETE", "/models/..%2fmodels"), 404, "unknown-model")


def test_nobody_installs_over_http(api: Api, tmp_path: Path) -> None:
    source = small_model(tmp_path / "source")
    for name in (str(source), "org/model", "../source", "./source"):
        problem(api.call("POST", "/collections", {"name": "x", "model": name}), 422, "unknown-model")
        assert api.call("GET", f"/models/{name.lstrip('/')}").status_code in (404, 308)


def test_a_broken_model_is_named_and_the_rest_goes_on(api: Api) -> None:
    folder = install(api, "mine")
    api.collection("docs", model="mine")
    api.add("docs", [{"id": "a", "text": TEXTS[0]}])
    api.drain()
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    found = api.call("POST", "/models/mine/verify").get_json()
    assert found["ok"] is False
    assert found["differences"] == [{"file": "weights.safetensors", "what": "changed"}]
    assert api.call("GET", "/collections/docs/search?q=tea").status_code == 200, "what is loaded goes on"
    (folder / "nearfield-model.json").write_text("{")
    listed = api.call("GET", "/models").get_json()
    assert "mine" not in {item["name"] for item in listed["items"]}
    assert [(item["name"], item["used_by"]) for item in listed["unusable"]] == [("mine", ["docs"])]
    problem(api.call("GET", "/models/mine"), 409, "model-unusable")
    problem(api.call("POST", "/collections", {"name": "x", "model": "mine"}), 422, "model-unreadable")
    assert api.client.get("/collections/new").status_code == 200
    assert api.client.get("/models").status_code == 200


def test_another_model_in_the_place_of_one_writes_no_vector(redis_pair: RedisPair, tmp_path: Path) -> None:
    """Put there by hand while documents wait: nothing of it gets into the collection."""
    with make_api(redis_pair, tmp_path) as api:
        folder = install(api, "mine")
        made = api.collection("docs", model="mine")
        api.add("docs", [{"id": "a", "text": TEXTS[0]}])
        folder.rename(folder.with_name("aside"))
        install(api, "mine", dim=12)
        api.drain()
        document = api.call("GET", "/collections/docs/documents/a").get_json()
        assert (document["state"], document["error"]["code"]) == ("failed", "model-mismatch")
        assert api.services.index.info(api.services.collections.get("docs")).chunks == 0
        problem(api.call("GET", "/collections/docs/search?q=tea"), 409, "model-mismatch")
        assert api.services.models.spec("mine").fingerprint != made["fingerprint"]


def test_families(api: Api) -> None:
    found = {item["name"]: item for item in api.call("GET", "/models/families").get_json()["items"]}
    assert found["tf-idf"]["trainable"]
    assert not found["transformer"]["trainable"]


def test_measure(api: Api) -> None:
    found = api.call("POST", "/models/hash/benchmark?seconds=1").get_json()
    assert found["texts_per_s"] > 0
    problem(api.call("POST", "/models/hash/benchmark?seconds=1000"), 422, "out-of-range")
    problem(api.call("POST", "/models/mfcc/benchmark"), 422, "bad-model")


def test_a_model_is_cut_to_its_first_numbers_by_name(api: Api) -> None:
    install(api, "mine")
    made = api.collection("docs", model="mine?dim=4")
    assert (made["model"], made["dimensions"]) == ("mine?dim=4", 4)
    assert api.call("GET", "/models/mine").get_json()["used_by"] == ["docs"]
    problem(api.call("DELETE", "/models/mine"), 409, "model-in-use")
    problem(api.call("POST", "/collections", {"name": "x", "model": "none?dim=4"}), 422, "unknown-model")
    problem(api.call("POST", "/collections", {"name": "x", "model": "mine?dim=99"}), 422, "model-unsupported")


def test_the_page(api: Api) -> None:
    install(api, "mine")
    api.collection("docs")
    page = api.client.get("/models").text
    assert "Used for new collections" in page
    assert 'href="/models"' in page
    answer = api.client.post("/models/default", data={"model": "mine"})
    assert (answer.status_code, answer.location) == (303, "/models?done=chosen")
    assert "New collections get this model" in api.client.get(answer.location).text
    assert 'value="mine" selected' in api.client.get("/collections/new").text
    assert "3 files, all as they should be" not in api.client.post("/models/verify", data={"model": "hash"}).text
    assert "all as they should be" in api.client.post("/models/verify", data={"model": "mine"}).text
    refused = api.client.post("/models/remove", data={"model": "mine"})
    assert refused.status_code == 409
    assert "choose another default first" in refused.text
    form = {"name": "<b>", "family": "tf-idf", "collection": "docs"}
    refused = api.client.post("/models/train", data=form)
    assert refused.status_code == 422
    assert 'value="&lt;b&gt;"' in refused.text
    answer = api.client.post("/models/train", data={**form, "name": "ours"})
    assert answer.location == "/models?done=training"
    (training,) = api.services.trainings.list()
    assert "Waiting for a worker" in api.client.get("/models").text
    api.client.post(f"/models/trainings/{training.id}/cancel")
    assert "Cancelled" in api.client.get("/models").text


def test_a_replaced_model_serves_the_collections_that_come_after_it(api: Api, tmp_path: Path) -> None:
    pull = api.services.installed.pull
    pull(str(small_model(tmp_path / "one")), "mine")
    for name, dim in (("before", 8), ("after", 12)):
        if dim == 12:
            api.call("DELETE", "/collections/before")
            pull(str(small_model(tmp_path / "two", dim=12)), "mine", replace=True)
        api.collection(name, model="mine")
        api.add(name, [{"id": str(n), "text": text} for n, text in enumerate(TEXTS)])
        api.drain(name)
        hits = api.call("GET", f"/collections/{name}/search?q=captain anchor&limit=1").get_json()["hits"]
        assert "ships" in hits[0]["passage"]["text"], name
