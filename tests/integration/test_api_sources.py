"""Sources over HTTP: what can be asked for, what is refused and how, what is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiapp import Api, make_api, problem
from tests.conftest import RedisPair

SOURCES = "/collections/docs/sources"


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path / "data", source_folders=f"{tmp_path}/a:{tmp_path}/b") as made:
        made.collection("docs")
        yield made


def test_a_source_is_added_listed_and_removed(api: Api, tmp_path: Path) -> None:
    answer = api.call("POST", SOURCES, {"location": "https://example.org/guide/", "include": ["**/*.html"]})
    assert answer.status_code == 201
    made = answer.get_json()
    assert answer.headers["Location"] == f"/api/v1{SOURCES}/{made['name']}"
    assert made["name"].startswith("example.org-")
    assert (made["kind"], made["every_s"], made["state"]) == ("url", 86_400, "waiting")
    assert made["counts"] == dict.fromkeys(made["counts"], 0)
    assert (made["last_sync_at"], made["error"], made["documents"]) == (None, None, 0)
    folder = api.call("POST", SOURCES, {"location": f"{tmp_path}/a/My Documents/"}).get_json()
    assert (folder["name"], folder["kind"], folder["every_s"]) == ("my-documents", "folder", 0)
    assert folder["location"] == f"{tmp_path}/a/My Documents"
    sitemap = api.call(
        "POST", SOURCES, {"location": "https://example.org/sitemap_index.xml.gz", "every_s": 0}
    ).get_json()
    assert (sitemap["kind"], sitemap["every_s"]) == ("sitemap", 0)
    listed = api.call("GET", SOURCES).get_json()
    assert [item["name"] for item in listed["items"]] == sorted(item["name"] for item in (made, folder, sitemap))
    one = api.call("GET", f"{SOURCES}/my-documents").get_json()
    assert one == {**folder, "failures": []}
    assert api.call("POST", f"{SOURCES}/my-documents/sync").status_code == 202
    removed = api.call("DELETE", f"{SOURCES}/my-documents?documents=delete")
    assert (removed.status_code, removed.get_json()["state"]) == (202, "removing")
    problem(api.call("POST", SOURCES, {"location": f"{tmp_path}/b", "name": "my-documents"}), 409, "source-exists")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"location": ""}, "bad-location", "/location"),
        ({"location": "docs"}, "bad-location", "/location"),
        ({"location": "/etc"}, "folder-not-allowed", "/location"),
        ({"location": "{root}/a/../../etc"}, "folder-not-allowed", "/location"),
        ({"location": "{root}/ab"}, "folder-not-allowed", "/location"),
        ({"location": "ftp://example.org/"}, "bad-url", "/location"),
        ({"location": "file:///etc/passwd"}, "bad-url", "/location"),
        ({"location": "http://user:secret@example.org/"}, "bad-url", "/location"),
        ({"location": "http://example.org:6379/"}, "bad-url", "/location"),
        ({"location": "https://example.org/\u202e"}, "bad-location", "/location"),
        ({"location": "https://example.org/", "kind": "folder"}, "bad-location", "/location"),
        ({"location": "https://example.org/", "name": "No"}, "bad-name", "/name"),
        ({"location": "https://example.org/", "name": "a/b"}, "bad-name", "/name"),
        ({"location": "https://example.org/", "every_s": 5}, "bad-interval", "/every_s"),
        ({"location": "https://example.org/", "every_s": -1}, "bad-interval", "/every_s"),
        ({"location": "https://example.org/", "include": [" "]}, "bad-pattern", "/include/0"),
        ({"location": "https://example.org/", "exclude": ["*"] * 51}, "invalid-input", "/exclude"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_a_reason(
    api: Api, tmp_path: Path, body: dict[str, Any], code: str, pointer: str
) -> None:
    body = {**body, "location": body["location"].replace("{root}", str(tmp_path))}
    found = problem(api.call("POST", SOURCES, body), 422, code)
    assert found["pointer"] == pointer


def test_unknown_things_are_told(api: Api) -> None:
    problem(api.call("GET", f"{SOURCES}/nothing"), 404, "unknown-source")
    problem(api.call("POST", f"{SOURCES}/nothing/sync"), 404, "unknown-source")
    problem(api.call("DELETE", f"{SOURCES}/nothing"), 404, "unknown-source")
    problem(api.call("GET", "/collections/none/sources"), 404, "unknown-collection")
    api.call("POST", SOURCES, {"location": "https://example.org/", "name": "page"})
    assert api.call("DELETE", f"{SOURCES}/page?documents=burn").status_code == 422
    assert api.call("POST", SOURCES, {"location": "https://example.org/", "secret": 1}).status_code == 422


def test_without_allowed_folders_it_is_said_how_to_allow_one(redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(redis_pair, tmp_path) as api:
        api.collection("docs")
        found = problem(api.call("POST", SOURCES, {"location": str(tmp_path)}), 422, "folder-not-allowed")
    assert "NEARFIELD_SOURCE_FOLDERS" in found["detail"]
    assert "--watch" in found["detail"]
