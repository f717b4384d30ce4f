"""Requests that look like attacks and are data: kept as they are, found by equality, never a path, never a query."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiapp import Api, problem
from tests.conftest import RedisPair
from tests.hostile import DOCUMENTS, MAX_DOCUMENT, MULTIPART, SEARCH, condition, eq, filled_api, raw_upload, send_files


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with filled_api(redis_pair, tmp_path) as made:
        yield made


HOSTILE_VALUES = [
    "acme|other", "acme} | @tenant:{other", "secret) | (@tenant:{other}", "*", "a*", "*a*", "w'*'", "%%%x%%%", "~x",
    "-x", "@kind:x", "=>[KNN 1 @v $b]", "$weight: 5", '"', "(", "{", "[", "\\", "a,b", "a b", " a ", "a:b", "a'b",
    "a-b", "ä", "\U0001f600", "A", "a" * 500, "$v", "|", "-@kind:{a}", "inf", "nan",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE_VALUES)
def test_hostile_values_match_themselves_and_nothing_else(api: Api, value: str) -> None:
    api.add("docs", {"id": "hostile", "text": "words of a stranger", "metadata": {"kind": value}})
    api.drain()
    answer = api.call("POST", SEARCH, eq(value))
    assert answer.status_code == 200, answer.text
    assert [hit["id"] for hit in answer.get_json()["hits"]] == ["hostile"]
    assert answer.get_json()["hits"][0]["metadata"]["kind"] == value
    others = api.call("POST", SEARCH, condition({"not": {"field": "kind", "eq": value}})).get_json()
    assert [hit["id"] for hit in others["hits"]] == ["kept"]


FILE_NAMES = [
    "../../etc/passwd.txt", "..\\..\\x.txt", "C:\\x.txt", "/etc/passwd.txt", "CON.txt", ".htaccess", "文档.txt",
    "a\u202eexe.txt", "<img src=x onerror=alert(1)>.txt", "a;b.txt", "a" * 300 + ".txt", "a\0b.txt", "a\nb.txt",
    "a/./b.txt", "%2e%2e%2fx.txt", "a//b.txt", "..", ".", " ",
]  # fmt: skip


@pytest.mark.parametrize("name", FILE_NAMES, ids=ascii)
def test_file_names_never_become_paths(api: Api, name: str) -> None:
    before = {str(path.relative_to(api.settings.data_dir)) for path in api.settings.data_dir.rglob("*")}
    answer = send_files(api, [(name, b"some words")])
    assert answer.status_code in (202, 400, 422), answer.text
    if answer.status_code != 202:
        found = problem(answer, answer.status_code, answer.get_json()["code"])
        assert found["pointer"]
        return
    shown = answer.get_json()["documents"][0]["source"]
    assert not shown.startswith("/")
    assert ".." not in shown.split("/")
    assert not any(ord(character) < 32 for character in shown)
    after = {str(path.relative_to(api.settings.data_dir)) for path in api.settings.data_dir.rglob("*")}
    assert all(path.startswith("accepted/") for path in after - before)


def test_a_file_name_that_is_not_utf8_is_no_error(api: Api) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xed\xa0\xbd\xff.txt"\r\n\r\n'
    answer = raw_upload(api, head + b"some words\r\n--b--", MULTIPART)
    assert answer.status_code in (202, 422), answer.text
    json.dumps(answer.get_json(), ensure_ascii=False).encode("utf-8")


def test_huge_bulk_lines_and_bad_ones_do_not_stop_the_others(api: Api) -> None:
    lines = [
        b'{"id": "one", "text": "words"}',
        b'{"id": "big", "text": "' + b"a" * (MAX_DOCUMENT + 10) + b'"}',
        b"[" * 5000,
        b'{"id": "x", "text": "\\ud800"}',
        b"\xff\xfe",
        b'{"id": "two", "text": "words"}',
    ]
    answer = api.call("POST", DOCUMENTS, b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200
    results = [json.loads(line) for line in answer.data.splitlines()]
    assert [result["outcome"] for result in results[:-1]] == ["accepted", *["rejected"] * 4, "accepted"]
    assert [result["error"]["code"] for result in results[2:5]] == ["too-deep", "lone-surrogate", "malformed-json"]


def test_junk_in_headers_is_no_error(api: Api) -> None:
    headers = {
        "Accept": "\xff/;q=x, */*;q=nan",
        "Accept-Language": "xx-" * 500,
        "Cookie": "a=" + "b" * 8000 + '; "; =; \xff',
        "Range": "bytes=abc-,,5-1",
        "If-Range": "junk",
        "If-None-Match": '"',
        "If-Modified-Since": "yesterday",
        "X-Forwarded-For": "1.2.3.4, ' or 1=1",
        "X-Forwarded-Host": "evil.example",
        "Last-Event-ID": "\x7f" * 300,
    }
    for path in ("/collections", "/collections/docs/documents/kept/text", "/collections/docs/documents/kept/original"):
        answer = api.call("GET", path, headers=headers)
        assert answer.status_code in (200, 416), (path, answer.text)
        assert "evil" not in str(answer.headers)
