"""Pictures and sounds through the whole product: upload, sandbox, pipeline, and search by words and by each other."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from services.ledger.values import DocumentState
from tests.apiapp import Api, make_api, problem
from tests.conftest import RedisPair
from tests.media_samples import build_clip, build_vit, encoded, picture, recorded, sound
from tests.processes import Product, wait_until
from web import media_query

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

FILES = {
    "one.png": encoded(picture(1), "PNG"),
    "two.jpg": encoded(picture(2), "JPEG"),
    "three.webp": encoded(picture(3), "WEBP"),
}
MULTIPART = {"content_type": "multipart/form-data"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def make(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Callable[[str], Api]]:
    opened: list[Any] = []

    def opening(model: str) -> Api:
        context = make_api(redis_pair, tmp_path, model=model)
        opened.append(context)
        api = context.__enter__()
        api.collection("docs", model=model)
        return api

    yield opening
    for context in opened:
        context.__exit__(None, None, None)


def upload(api: Api, files: dict[str, bytes], **more: Any) -> Any:
    data = {"file": [(io.BytesIO(body), name) for name, body in files.items()]}
    return api.client.post("/api/v1/collections/docs/files", data=data, **MULTIPART, **more)


def add(api: Api, files: dict[str, bytes]) -> None:
    answer = upload(api, files)
    assert answer.status_code == 202, answer.text
    api.drain()


def records(api: Api) -> dict[str, Any]:
    collection = api.services.collections.get("docs")
    return {record.source: record for record in api.services.ledger.documents(collection.id, limit=50).items}


def titles(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [hit["title"] for hit in answer.get_json()["hits"]]


def by_file(api: Api, kind: str, body: bytes, name: str) -> Any:
    return api.client.post(
        "/api/v1/collections/docs/search/by-file?limit=3", data={kind: (io.BytesIO(body), name)}, **MULTIPART
    )


def test_pictures_are_found_by_pictures_and_by_words_and_go_again(make: Callable[[str], Api], clip: str) -> None:
    api = make(clip)
    add(api, FILES)
    found = records(api)
    assert {record.state for record in found.values()} == {DocumentState.READY}
    assert [record.chunks for record in found.values()] == [1, 1, 1]

    for name, body in FILES.items():
        assert titles(by_file(api, "image", body, name))[0] == name
    again = encoded(picture(2), "GIF")
    assert titles(by_file(api, "image", again, "x.gif"))[0] == "two.jpg"  # the same picture in another format
    answer = api.call(
        "POST", "/collections/docs/search/by-file", {"image": base64.b64encode(FILES["one.png"]).decode()}
    )
    assert titles(answer)[0] == "one.png"
    hit = answer.get_json()["hits"][0]
    assert hit["passage"]["text"] == "PNG picture, 64 x 48 points"
    assert hit["score"] > 0.999
    words = api.call("POST", "/collections/docs/search", {"query": "a cat on a mat"})
    assert sorted(titles(words)) == sorted(FILES)

    api.add("docs", {"id": "note", "text": "a cat on a mat"})
    api.drain()
    answer = api.call("POST", "/collections/docs/search", {"query": "a cat on a mat"})
    assert answer.get_json()["hits"][0]["id"] == "note"  # texts are in the same space

    gone = found["one.png"].id
    assert api.call("DELETE", f"/collections/docs/documents/{gone}").status_code == 202
    api.drain()
    assert "one.png" not in titles(by_file(api, "image", FILES["one.png"], "one.png"))


def test_an_unchanged_picture_is_not_read_again_and_metadata_alone_moves_no_vector(
    make: Callable[[str], Api], clip: str
) -> None:
    api = make(clip)
    add(api, {"one.png": FILES["one.png"]})
    first = records(api)["one.png"]
    assert upload(api, {"one.png": FILES["one.png"]}).get_json()["documents"][0]["outcome"] == "unchanged"
    data = {"file": (io.BytesIO(FILES["one.png"]), "one.png"), "metadata": '{"place": "attic"}'}
    assert api.client.post("/api/v1/collections/docs/files", data=data, **MULTIPART).status_code == 202
    api.drain()
    second = records(api)["one.png"]
    assert second.state is DocumentState.READY
    assert second.visible_generation > first.visible_generation
    hit = by_file(api, "image", FILES["one.png"], "one.png").get_json()["hits"][0]
    assert hit["metadata"] == {"place": "attic"}
    assert hit["score"] > 0.999


def test_near_duplicates_are_no_matter_of_what_pictures_are_called(make: Callable[[str], Api], clip: str) -> None:
    api = make(clip)
    api.collection("strict", model=clip, near_duplicates="skip")
    data = {"file": [(io.BytesIO(encoded(picture(n), "PNG")), f"{n}.png") for n in range(3)]}
    assert api.client.post("/api/v1/collections/strict/files", data=data, **MULTIPART).status_code == 202
    api.drain("strict")
    collection = api.services.collections.get("strict")
    page = api.services.ledger.documents(collection.id, limit=9)
    assert [record.state.value for record in page.items] == ["ready"] * 3
    assert [record.warnings for record in page.items] == [()] * 3


def test_a_thumbnail_is_a_small_jpeg_and_nothing_of_the_file(make: Callable[[str], Api], clip: str) -> None:
    api = make(clip)
    add(api, {"big.png": encoded(picture(5, 900, 1200), "PNG")})
    document = records(api)["big.png"].id
    collection = api.services.collections.get("docs")
    text_hash = api.services.index.heads(collection, [records(api)["big.png"].doc_hash])[0].text_hash
    for lost in (False, True):
        if lost:
            api.services.documents._extracted.forget(collection.id, text_hash)
        answer = api.call("GET", f"/collections/docs/documents/{document}/thumbnail")
        assert answer.status_code == 200, answer.text
        assert answer.content_type == "image/jpeg"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        with Image.open(io.BytesIO(answer.data)) as small:
            assert (small.format, small.size) == ("JPEG", (320, 240))
    api.add("docs", {"id": "note", "text": "a cat"})
    api.drain()
    problem(api.call("GET", "/collections/docs/documents/note/thumbnail"), 404, "no-thumbnail")


def test_the_page_shows_pictures_and_takes_one_without_a_script(make: Callable[[str], Api], clip: str) -> None:
    api = make(clip)
    add(api, FILES)
    page = api.client.get("/c/docs?q=cat")
    assert page.text.count('<a class="thumbnail"') == 3
    assert 'name="image"' in page.text
    source = page.text.split('<img src="')[1].split('"')[0].replace("&amp;", "&")
    assert api.client.get(source).content_type == "image/jpeg"
    posted = api.client.post("/c/docs/by-file", data={"image": (io.BytesIO(FILES["two.jpg"]), "two.jpg")}, **MULTIPART)
    assert posted.status_code == 200
    assert posted.text.index("two.jpg") < posted.text.index("one.png")
    refused = api.client.post("/c/docs/by-file", data={"image": (io.BytesIO(b"GIF89a"), "x.gif")}, **MULTIPART)
    assert refused.status_code == 422
    assert "cut off or damaged" in refused.text


def test_sounds_are_found_by_sounds_and_texts_have_no_place_there(make: Callable[[str], Api]) -> None:
    api = make("mfcc")
    tones = {"low.wav": sound(110), "high.flac": sound(1500), "mid.ogg": sound(400)}
    add(api, {name: recorded(heard, name.rpartition(".")[2].upper()) for name, heard in tones.items()})
    assert {record.state for record in records(api).values()} == {DocumentState.READY}
    asked = recorded(sound(115, 1.5, 22_050), "WAV")
    answer = by_file(api, "audio", asked, "asked.wav")
    assert titles(answer)[0] == "low.wav"
    assert answer.get_json()["hits"][0]["passage"]["text"] == "WAV sound, 0.8 s, 16,000 Hz, mono"
    assert "download</a>" in api.client.post(
        "/c/docs/by-file", data={"audio": (io.BytesIO(asked), "a.wav")}, **MULTIPART
    ).text  # fmt: skip
    found = problem(api.call("POST", "/collections/docs/search", {"query": "a low tone"}), 422, "unsupported-modality")
    assert "a sound" in found["detail"]
    problem(by_file(api, "image", FILES["one.png"], "one.png"), 422, "unsupported-modality")


@pytest.mark.parametrize("model", ["hash", "vit"])
def test_what_a_model_has_no_side_for_is_refused_and_named(
    make: Callable[[str], Api], tmp_path: Path, model: str
) -> None:
    if model == "vit":
        (tmp_path / "vit").mkdir()
    api = make("hash" if model == "hash" else build_vit(tmp_path / "vit"))
    body = FILES["one.png"] if model == "hash" else b"plain words"
    refused = problem(upload(api, {"a.png" if model == "hash" else "a.txt": body}), 422, "unsupported-modality")
    assert "embeds" in refused["detail"]
    if model == "hash":
        problem(by_file(api, "image", body, "one.png"), 422, "unsupported-modality")
    else:
        note = api.call("POST", "/collections/docs/documents", {"text": "plain words"})
        problem(note, 422, "unsupported-modality")


def test_searches_by_what_is_no_picture_say_so(
    make: Callable[[str], Api], clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = make(clip)
    add(api, {"one.png": FILES["one.png"]})
    search = "/collections/docs/search/by-file"
    problem(api.call("POST", search, {"image": "no base64!"}), 422, "bad-base64")
    problem(api.call("POST", search, {"image": "AAAA", "audio": "AAAA"}), 422, "no-file")
    problem(
        api.call("POST", search, {"image": base64.b64encode(b"plain words").decode()}), 415, "unsupported-media-type"
    )
    problem(by_file(api, "image", FILES["one.png"][:80], "one.png"), 422, "damaged-file")
    problem(by_file(api, "audio", recorded(sound(200), "WAV"), "a.wav"), 422, "unsupported-modality")
    with monkeypatch.context() as patched:
        patched.setattr(media_query, "MAX_MEDIA_BYTES", 100)
        problem(by_file(api, "image", FILES["one.png"], "one.png"), 413, "too-large")
    empty = api.client.post("/api/v1/collections/docs/search/by-file", data={"other": "x"}, **MULTIPART)
    problem(empty, 422, "no-file")


def test_a_real_worker_reads_pictures_beside_a_real_web_process(
    redis_pair: RedisPair, tmp_path: Path, clip: str
) -> None:
    product = Product(redis_pair, tmp_path, {"NEARFIELD_MODEL": clip, "NEARFIELD_LEASE_MS": "20000"})
    docs = "/api/v1/collections/docs"
    try:
        product.start()
        assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
        for name, body in FILES.items():
            boundary, form = encode_multipart({"file": FileStorage(io.BytesIO(body), name)})
            headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
            assert product.call("POST", f"{docs}/files", form, headers)[0] == 202

        def found(body: dict[str, str]) -> list[str]:
            status, answer = product.call("POST", f"{docs}/search" + ("" if "query" in body else "/by-file"), body)
            assert status == 200, answer
            return [hit["title"] for hit in answer["hits"]]

        wait_until(lambda: product.call("GET", docs)[1]["documents"]["ready"] == 3, "three pictures are searchable")
        assert sorted(found({"query": "a cat"})) == sorted(FILES)
        asked = {"image": base64.b64encode(FILES["two.jpg"]).decode()}
        assert found(asked)[0] == "two.jpg"
        listed = product.call("GET", f"{docs}/documents")[1]["items"]
        gone = next(item["id"] for item in listed if item["source"] == "two.jpg")
        assert product.call("DELETE", f"{docs}/documents/{gone}")[0] == 202
        wait_until(lambda: sorted(found(asked)) == ["one.png", "three.webp"], "the deleted picture is gone")
    finally:
        product.stop()
