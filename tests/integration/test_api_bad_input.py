"""Hostile and mistaken requests: always a 4xx with code, pointer and next step, never a 500, nothing half done.

One table per kind of input. After every request the store must hold exactly what it held before.
"""

# ruff: noqa: E501 - the tables read better with one case per line

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.apiapp import Api, problem
from tests.conftest import RedisPair
from tests.hostile import (
    DOCUMENTS,
    MAX_BODY,
    MAX_DOCUMENT,
    MULTIPART,
    SEARCH,
    condition,
    eq,
    filled_api,
    raw_upload,
    send_files,
)


@pytest.fixture(scope="module")
def shared_api(_session_pair: RedisPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One application for all requests that must change nothing, which each of them checks."""
    _session_pair.flush()
    with filled_api(_session_pair, tmp_path_factory.mktemp("shared")) as made:
        yield made


@dataclass(frozen=True)
class Case:
    """One request and what it must be answered with; ``pointer`` None: any, or none."""

    id: str
    method: str
    path: str
    body: Any = None
    status: int = 422
    code: str = ""
    pointer: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] | None = None


def post(name: str, path: str, body: Any, status: int, code: str, pointer: str | None, **more: Any) -> Case:
    return Case(name, "POST", path, body, status, code, pointer, **more)


def get(name: str, path: str, status: int, code: str, pointer: str | None, **more: Any) -> Case:
    return Case(name, "GET", path, None, status, code, pointer, **more)


def deep(levels: int) -> bytes:
    return b'{"text": "a", "metadata": {"x": ' + b"[" * levels + b"]" * levels + b"}}"


JSON_BODIES = [
    post("open brace", DOCUMENTS, b"{", 400, "malformed-json", ""),
    post("empty body", DOCUMENTS, b"", 400, "malformed-json", ""),
    post("null", DOCUMENTS, b"null", 400, "not-an-object", ""),
    post("number", DOCUMENTS, b"5", 400, "not-an-object", ""),
    post("string", DOCUMENTS, b'"x"', 400, "not-an-object", ""),
    post("empty array", DOCUMENTS, b"[]", 400, "no-documents", ""),
    post("array of numbers", DOCUMENTS, b"[1]", 400, "not-an-object", "/0"),
    post("array for a search", SEARCH, b"[]", 400, "not-an-object", ""),
    post("null for a collection", "/collections", b"null", 400, "not-an-object", ""),
    post("1,000 levels", DOCUMENTS, deep(1000), 400, "too-deep", ""),
    post("100,000 levels", DOCUMENTS, b"[" * 100_000, 400, "too-deep", ""),
    post("NaN", DOCUMENTS, b'{"text": "a", "metadata": {"year": NaN}}', 400, "bad-number", ""),
    post("Infinity in a filter", SEARCH, b'{"query": "a", "filter": {"field": "year", "gt": Infinity}}', 400, "bad-number", ""),
    post("1e999", DOCUMENTS, b'{"text": "a", "metadata": {"year": 1e999}}', 400, "bad-number", ""),
    post("5,000 digits", DOCUMENTS, b'{"text": "a", "metadata": {"year": ' + b"1" * 5000 + b"}}", 400, "bad-number", ""),
    post("duplicate key", SEARCH, b'{"query": "a", "query": "b"}', 400, "duplicate-key", "/query"),
    post("duplicate key in metadata", DOCUMENTS, b'{"text": "a", "metadata": {"x": 1, "x": 2}}', 400, "duplicate-key", "/metadata/x"),
    post("lone surrogate in a query", SEARCH, b'{"query": "\\ud800"}', 400, "lone-surrogate", "/query"),
    post("lone surrogate in an id", DOCUMENTS, b'{"id": "\\ud800", "text": "a"}', 400, "lone-surrogate", "/id"),
    post("lone surrogate in a title", DOCUMENTS, b'{"title": "\\udfff", "text": "a"}', 400, "lone-surrogate", "/title"),
    post("lone surrogate in a key", DOCUMENTS, b'{"text": "a", "metadata": {"\\ud800": 1}}', 400, "lone-surrogate", "/metadata"),
    post("UTF-16", SEARCH, '{"query": "a"}'.encode("utf-16"), 400, "malformed-json", ""),
    post("bad UTF-8", SEARCH, b'{"query": "\xff"}', 400, "malformed-json", ""),
    post("no content type", SEARCH, b'{"query": "a"}', 415, "unsupported-media-type", "/Content-Type", headers={"Content-Type": ""}),
    post("JSON as text/plain", SEARCH, b'{"query": "a"}', 415, "unsupported-media-type", "/Content-Type", headers={"Content-Type": "text/plain"}),
    post("a form", DOCUMENTS, b"text=a", 415, "unsupported-media-type", "/Content-Type", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    post("UTF-7", SEARCH, b'{"query": "a"}', 415, "unsupported-charset", "/Content-Type", headers={"Content-Type": "application/json; charset=utf-7"}),
    post("gzip", SEARCH, b"\x1f\x8b", 415, "unsupported-encoding", "/Content-Encoding", headers={"Content-Encoding": "gzip"}),
    post("body over the limit", DOCUMENTS, b" " * (MAX_BODY + 1), 413, "too-large", ""),
    post("search body over its limit", SEARCH, b" " * 270_000, 413, "too-large", ""),
    post("1,001 documents", DOCUMENTS, [{"text": "a"}] * 1001, 422, "too-many-documents", ""),
]  # fmt: skip

MEMBERS = [
    post("no text", DOCUMENTS, {}, 422, "missing-member", "/text"),
    post("text of numbers", DOCUMENTS, {"text": 5}, 422, "wrong-type", "/text"),
    post("unknown member", DOCUMENTS, {"text": "a", "is_admin": True}, 422, "unknown-member", "/is_admin"),
    post("__proto__", DOCUMENTS, {"text": "a", "__proto__": {}}, 422, "unknown-member", "/__proto__"),
    post("vector of the wrong dimension", DOCUMENTS, {"text": "a", "vector": [0.1] * 3}, 422, "unknown-member", "/vector"),
    post("second of two", DOCUMENTS, [{"text": "a"}, {"text": None}], 422, "wrong-type", "/1/text"),
    post("metadata as a list", DOCUMENTS, {"text": "a", "metadata": []}, 422, "wrong-type", "/metadata"),
    post("unknown media type", DOCUMENTS, {"text": "a", "media_type": "application/pdf"}, 422, "not-allowed", "/media_type"),
    post("text with nothing in it", DOCUMENTS, {"text": "  \n"}, 422, "", "/text"),
    post("text over the limit", DOCUMENTS, {"text": "a" * (MAX_DOCUMENT + 1)}, 413, "", "/text"),
    post("empty id", DOCUMENTS, {"id": "", "text": "a"}, 422, "", "/id"),
    post("id of 513 bytes", DOCUMENTS, {"id": "a" * 513, "text": "a"}, 422, "", "/id"),
    post("id with NUL", DOCUMENTS, {"id": "a\0b", "text": "a"}, 422, "", "/id"),
    post("id with a line end", DOCUMENTS, {"id": "a\nb", "text": "a"}, 422, "", "/id"),
    post("id with an override", DOCUMENTS, {"id": "gpj\u202eexe", "text": "a"}, 422, "", "/id"),
    post("id with a zero-width space", DOCUMENTS, {"id": "a\u200bb", "text": "a"}, 422, "", "/id"),
    post("the same id twice", DOCUMENTS, [{"id": "a", "text": "a"}, {"id": "a", "text": "b"}], 422, "", "/1/id"),
    post("number field with text", DOCUMENTS, {"text": "a", "metadata": {"year": "1"}}, 422, "bad-number", "/metadata/year"),
    post("boolean field with 1", DOCUMENTS, {"text": "a", "metadata": {"hot": 1}}, 422, "wrong-type", "/metadata/hot"),
    post("date field with a word", DOCUMENTS, {"text": "a", "metadata": {"day": "soon"}}, 422, "bad-date", "/metadata/day"),
    post("tag field with an object", DOCUMENTS, {"text": "a", "metadata": {"kind": {}}}, 422, "wrong-type", "/metadata/kind"),
    post("tag with a line separator", DOCUMENTS, {"text": "a", "metadata": {"kind": "\u2028"}}, 422, "bad-tag", "/metadata/kind"),
    post("metadata of 70 kB", DOCUMENTS, {"text": "a", "metadata": {"x": "y" * 70_000}}, 413, "metadata-too-large", "/metadata"),
    post("huge integer", DOCUMENTS, {"text": "a", "metadata": {"year": 2**60}}, 422, "bad-number", "/metadata/year"),
    post("put with an id", DOCUMENTS, {"id": 5, "text": "a"}, 422, "wrong-type", "/id"),
    Case("id in a put's body", "PUT", f"{DOCUMENTS}/x", {"id": "y", "text": "a"}, 422, "unknown-member", "/id"),
    Case("put of an array", "PUT", f"{DOCUMENTS}/x", [], 400, "not-an-object", ""),
    Case("put of an id with NUL", "PUT", f"{DOCUMENTS}/a%00b", {"text": "a"}, 400, "bad-address", None),
    Case("put of an id with an override", "PUT", f"{DOCUMENTS}/a%E2%80%AEb", {"text": "a"}, 422, "", None),
    Case("put of an endless id", "PUT", f"{DOCUMENTS}/{'a' * 600}", {"text": "a"}, 422, "", None),
    Case("idempotency key with blanks", "POST", DOCUMENTS, {"text": "a"}, 422, "bad-idempotency-key", "/Idempotency-Key", headers={"Idempotency-Key": "a b"}),
    Case("idempotency key of 201", "DELETE", f"{DOCUMENTS}/kept", None, 422, "bad-idempotency-key", "/Idempotency-Key", headers={"Idempotency-Key": "a" * 201}),
]  # fmt: skip

COLLECTIONS = [
    post("no name", "/collections", {}, 422, "missing-member", "/name"),
    *[
        post(f"name {name[:12]!r}", "/collections", {"name": name}, 422, "bad-name", "/name")
        for name in ("", "A", "-a", "a b", "a/b", "../x", "ä", "a" * 64, "a\0", "a\n")
    ],
    post("unknown model", "/collections", {"name": "x", "model": "no-such"}, 422, "unknown-model", "/model"),
    post("model as a path", "/collections", {"name": "x", "model": "../../etc"}, 422, "unknown-model", "/model"),
    post("model as a folder", "/collections", {"name": "x", "model": "/etc"}, 422, "unknown-model", "/model"),
    post("model as a URL", "/collections", {"name": "x", "model": "http://h.example/m"}, 422, "unknown-model", "/model"),
    post("model from a hub", "/collections", {"name": "x", "model": "org/model"}, 422, "unknown-model", "/model"),
    post("model of 1 MB", "/collections", {"name": "x", "model": "m" * 250_000}, 422, "out-of-range", "/model"),
    post("trust_remote_code", "/collections", {"name": "x", "trust_remote_code": True}, 422, "unknown-member", "/trust_remote_code"),
    post("unknown algorithm", "/collections", {"name": "x", "algorithm": "ivf"}, 422, "not-allowed", "/algorithm"),
    post("unknown field type", "/collections", {"name": "x", "fields": {"a": "geo"}}, 422, "not-allowed", "/fields/a"),
    post("field with a blank", "/collections", {"name": "x", "fields": {"a b": "tag"}}, 422, "bad-field", "/fields/a b"),
    post("reserved field", "/collections", {"name": "x", "fields": {"text": "tag"}}, 422, "bad-field", "/fields/text"),
    post("33 fields", "/collections", {"name": "x", "fields": {f"f{n}": "tag" for n in range(33)}}, 422, "", "/fields"),
    post("chunks of 15", "/collections", {"name": "x", "chunking": {"size_tokens": 15}}, 422, "", "/chunking/size_tokens"),
    post("chunks of 1.5", "/collections", {"name": "x", "chunking": {"size_tokens": 1.5}}, 422, "wrong-type", "/chunking/size_tokens"),
    post("negative overlap", "/collections", {"name": "x", "chunking": {"overlap_tokens": -1}}, 422, "", "/chunking/overlap_tokens"),
    post("long description", "/collections", {"name": "x", "description": "a" * 501}, 422, "", "/description"),
    post("language with a path", "/collections", {"name": "x", "language": "../"}, 422, "", "/language"),
    Case("rename to a bad name", "PATCH", "/collections/docs", {"name": "A"}, 422, "bad-name", "/name"),
    Case("change of the model", "PATCH", "/collections/docs", {"model": "hash"}, 422, "unknown-member", "/model"),
    Case("change of nothing known", "PATCH", "/collections/none", {"name": "x"}, 404, "unknown-collection", "/name"),
]  # fmt: skip

SEARCHES = [
    post("empty query", SEARCH, {"query": ""}, 422, "", "/query"),
    post("blank query", SEARCH, {"query": " \t\n\u00a0"}, 422, "", "/query"),
    post("punctuation", SEARCH, {"query": "?!... *"}, 422, "", "/query"),
    post("query over its limit", SEARCH, {"query": "a" * 4001}, 413, "query-too-long", "/query"),
    post("limit 0", SEARCH, {"query": "a", "limit": 0}, 422, "out-of-range", "/limit"),
    post("limit 101", SEARCH, {"query": "a", "limit": 101}, 422, "out-of-range", "/limit"),
    post("limit 10**18", SEARCH, {"query": "a", "limit": 10**18}, 422, "out-of-range", "/limit"),
    post("limit true", SEARCH, {"query": "a", "limit": True}, 422, "wrong-type", "/limit"),
    post("offset beyond", SEARCH, {"query": "a", "offset": 995, "limit": 10}, 422, "", "/offset"),
    post("mode", SEARCH, {"query": "a", "mode": "lexical"}, 422, "not-allowed", "/mode"),
    get("no query", SEARCH, 422, "missing-member", "/q"),
    get("empty q", f"{SEARCH}?q=", 422, "", "/q"),
    get("two q", f"{SEARCH}?q=a&q=b", 422, "repeated-parameter", "/q"),
    get("limit 1.5", f"{SEARCH}?q=a&limit=1.5", 422, "wrong-type", "/limit"),
    get("unknown parameter", f"{SEARCH}?q=a&k=5", 422, "unknown-member", "/k"),
    get("semicolons", f"{SEARCH}?q=a;limit=5&x;y=1", 422, "unknown-member", "/x;y"),
    get("10,000 parameters", SEARCH, 422, "unknown-member", None, query={"q": "a", **{f"p{n}": "1" for n in range(10_000)}}),
    get("query of 10 MB", SEARCH, 413, "query-too-long", "/q", query={"q": "a" * 10_000_000}),
    get("unknown field", f"{SEARCH}?q=a&f.size=1", 422, "unknown-field", "/f.size/field"),
    get("filter that is not JSON", f"{SEARCH}?q=a&filter=kind", 400, "malformed-json", "/filter"),
    get("unknown collection", "/collections/none/search?q=a", 404, "unknown-collection", "/name"),
    get("cursor of somebody else", f"{DOCUMENTS}?cursor=abc", 422, "bad-cursor", "/cursor"),
    get("endless cursor", f"{DOCUMENTS}?cursor={'1' * 201}", 422, "out-of-range", "/cursor"),
    get("page of 501", f"{DOCUMENTS}?limit=501", 422, "out-of-range", "/limit"),
    get("unknown state", f"{DOCUMENTS}?state=lost", 422, "not-allowed", "/state"),
    get("cursor of jobs", "/jobs?cursor=%2B1", 422, "bad-cursor", "/cursor"),
    get("parameter where there is none", "/collections?x=1", 422, "unknown-member", "/x"),
    get("unknown document", f"{DOCUMENTS}/none", 404, "unknown-document", "/document_id"),
    get("unknown route", "/nothing", 404, "no-such-route", None),
    get("API without version", "/../x", 404, "no-such-route", None),
    Case("method", "PUT", "/collections", {}, 405, "method-not-allowed", None),
    Case("TRACE", "TRACE", "/collections", None, 405, "method-not-allowed", None),
    Case("invented method", "FOO", DOCUMENTS, None, 405, "method-not-allowed", None),
    Case("HEAD where only POST is", "HEAD", "/collections/docs/retry", None, 405, "", None),
    Case("override header", "GET", "/collections/docs/retry", None, 405, "method-not-allowed", None, headers={"X-HTTP-Method-Override": "POST"}),
    Case("other host", "GET", "/collections", None, 400, "host-not-allowed", "/Host", headers={"Host": "evil.example"}),
    Case("other site", "DELETE", "/collections/docs", None, 403, "cross-site-request", "/Origin", headers={"Origin": "http://evil.example"}),
]  # fmt: skip


FILTERS = [
    post("text", SEARCH, condition("x"), 422, "wrong-type", "/filter"),
    post("empty", SEARCH, condition({}), 422, "bad-filter", "/filter"),
    post("no field", SEARCH, condition({"eq": 1}), 422, "bad-filter", "/filter"),
    post("unknown field", SEARCH, eq("a", "size"), 422, "unknown-field", "/filter/field"),
    post("field of another kind", SEARCH, condition({"field": {}, "eq": 1}), 422, "unknown-field", "/filter/field"),
    post("field with a query inside", SEARCH, eq("a", "kind:{*}=>[KNN 1 @v $b]"), 422, "unknown-field", "/filter/field"),
    post("unknown operator", SEARCH, condition({"field": "kind", "like": "a*"}), 422, "unknown-operator", "/filter/like"),
    post("range over tags", SEARCH, condition({"field": "kind", "gt": "a"}), 422, "unknown-operator", "/filter/gt"),
    post("empty tag", SEARCH, eq(""), 422, "bad-filter", "/filter/eq"),
    post("number as a tag", SEARCH, eq(5), 422, "bad-filter", "/filter/eq"),
    post("null as a tag", SEARCH, eq(None), 422, "bad-filter", "/filter/eq"),
    post("list as a tag", SEARCH, eq(["a"]), 422, "bad-filter", "/filter/eq"),
    post("empty list", SEARCH, condition({"field": "kind", "in": []}), 422, "bad-filter", "/filter/in"),
    post("257 values", SEARCH, condition({"field": "kind", "in": ["a"] * 257}), 422, "bad-filter", "/filter/in"),
    post("text as a number", SEARCH, eq("(5", "year"), 422, "bad-number", "/filter/eq"),
    post("boolean as a number", SEARCH, eq(True, "year"), 422, "bad-number", "/filter/eq"),
    post("reversed range", SEARCH, condition({"field": "year", "gte": 5, "lte": 1}), 422, "bad-filter", "/filter"),
    post("year 0", SEARCH, eq("0000-01-01", "day"), 422, "bad-date", "/filter/eq"),
    post("leap second", SEARCH, eq("2016-12-31T23:59:60Z", "day"), 422, "bad-date", "/filter/eq"),
    post("month 13", SEARCH, eq("2026-13-01", "day"), 422, "bad-date", "/filter/eq"),
    post("boolean as text", SEARCH, eq("true", "hot"), 422, "bad-filter", "/filter/eq"),
    post("65 conditions", SEARCH, condition({"or": [{"field": "kind", "eq": "a"}] * 65}), 422, "bad-filter", "/filter/or/64"),
    post("10,000 conditions", SEARCH, condition({"or": [{"field": "kind", "eq": "a"}] * 10_000}), 413, "too-large", ""),
    post("six levels", SEARCH, condition({"not": {"not": {"not": {"not": {"not": {"field": "kind", "eq": "a"}}}}}}), 422, "bad-filter", "/filter/not/not/not/not/not"),
    post("and beside or", SEARCH, condition({"and": [], "or": []}), 422, "bad-filter", "/filter"),
    post("empty and", SEARCH, condition({"and": []}), 422, "bad-filter", "/filter/and"),
    post("and of a text", SEARCH, condition({"and": "x"}), 422, "bad-filter", "/filter/and"),
]  # fmt: skip

CASES = JSON_BODIES + MEMBERS + COLLECTIONS + SEARCHES + FILTERS


def contents(api: Api) -> tuple[Any, ...]:
    """What the store holds: keys of both servers with their sizes, and the files of the data folder."""

    def keys(client: Any) -> list[tuple[bytes, int]]:
        return sorted((key, client.memory_usage(key, samples=0)) for key in client.scan_iter(count=1000))

    files = sorted(str(path) for path in api.settings.data_dir.rglob("*") if path.is_file())
    return keys(api.services.ledger_client), keys(api.services.index_client), files


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_refused_whole_with_code_pointer_and_next_step(shared_api: Api, case: Case) -> None:
    api = shared_api
    before = contents(api)
    more = {"query_string": case.query} if case.query is not None else {}
    answer = api.call(case.method, case.path, case.body, headers=case.headers, **more)
    assert contents(api) == before
    if case.method == "HEAD":
        assert answer.status_code == case.status
        return
    found = problem(answer, case.status, case.code or answer.get_json().get("code", ""))
    if case.pointer is not None:
        assert found["pointer"] == case.pointer
    assert len(answer.data) < 8000


@pytest.mark.parametrize(
    "query", ["*", "a*", "@kind:{a}", "(", '"', "=>[KNN", "%%a%%", "the of and", "\U0001f600" * 50, "a\0b", "ﬁne"]
)
def test_hostile_queries_are_words_or_refused(shared_api: Api, query: str) -> None:
    answer = shared_api.call("POST", SEARCH, {"query": query})
    assert answer.status_code in (200, 422), answer.text


def part(name: str, value: bytes, file_name: str | None = None) -> bytes:
    shown = f'; filename="{file_name}"' if file_name is not None else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode() + value + b"\r\n"


UPLOADS: list[tuple[str, Callable[[Api], Any], int, str]] = [
    ("no parts", lambda api: raw_upload(api, b"", MULTIPART), 422, "no-file"),
    ("no boundary", lambda api: raw_upload(api, part("file", b"x", "a.txt"), "multipart/form-data"), 422, "no-file"),
    ("broken body", lambda api: raw_upload(api, b"--b\r\nnonsense", MULTIPART), 422, "no-file"),
    ("boundary of 10 kB", lambda api: raw_upload(api, b"x", f"multipart/form-data; boundary={'b' * 10_000}"), 422, "no-file"),
    ("no file", lambda api: raw_upload(api, part("metadata", b"{}") + b"--b--", MULTIPART), 422, "no-file"),
    ("file without a name", lambda api: raw_upload(api, part("file", b"x", "") + b"--b--", MULTIPART), 422, "no-file"),
    ("field instead of a file", lambda api: raw_upload(api, part("file", b"x") + b"--b--", MULTIPART), 422, "no-file"),
    ("unknown part", lambda api: send_files(api, [("a.txt", b"x")], tenant="x"), 422, "unknown-member"),
    ("metadata that is no JSON", lambda api: send_files(api, [("a.txt", b"x")], metadata="x"), 400, "malformed-json"),
    ("metadata that is a list", lambda api: send_files(api, [("a.txt", b"x")], metadata="[]"), 400, "not-an-object"),
    ("metadata with NaN", lambda api: send_files(api, [("a.txt", b"x")], metadata='{"year": NaN}'), 400, "bad-number"),
    ("metadata of a wrong type", lambda api: send_files(api, [("a.txt", b"x")], metadata='{"year": "x"}'), 422, "bad-number"),
    ("one id for two", lambda api: send_files(api, [("a.txt", b"x"), ("b.txt", b"y")], id="i"), 422, "id-for-several-files"),
    ("2,000 parts", lambda api: raw_upload(api, part("metadata", b"{}") * 2000 + b"--b--", MULTIPART), 413, "too-large"),
    ("field of 200 kB", lambda api: send_files(api, [("a.txt", b"x")], metadata="x" * 200_000), 413, "too-large"),
    ("upload over the limit", lambda api: send_files(api, [("a.txt", b"x" * (MAX_BODY + 1))]), 413, "too-large"),
    ("JSON instead", lambda api: raw_upload(api, b"{}", "application/json"), 415, "unsupported-media-type"),
    ("empty file", lambda api: send_files(api, [("good.txt", b"words"), ("empty.txt", b"")]), 422, ""),
    ("undecodable text", lambda api: send_files(api, [("good.txt", b"words"), ("bad.txt", bytes(range(256)) * 40)]), 0, ""),
    ("unknown format", lambda api: send_files(api, [("good.txt", b"words"), ("x.exe", b"MZ\x90\x00\x03\x00\x00\x00" * 100)]), 0, ""),
]  # fmt: skip


@pytest.mark.parametrize(("send", "status", "code"), [row[1:] for row in UPLOADS], ids=[row[0] for row in UPLOADS])
def test_bad_uploads_are_refused_whole(shared_api: Api, send: Callable[[Api], Any], status: int, code: str) -> None:
    before = contents(shared_api)
    answer = send(shared_api)
    found = problem(answer, status or answer.status_code, code or answer.get_json()["code"])
    assert found["status"] in (400, 413, 415, 422)
    assert contents(shared_api) == before
