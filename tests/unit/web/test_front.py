"""Checks before and headers behind every request, on an application that has nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ResponseError

from services.errors import (
    Conflict,
    IndexRebuilding,
    InvalidInput,
    MalformedJson,
    ModelError,
    NearfieldError,
    NotFound,
    Overloaded,
    StorageFull,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from services.settings import Settings, load_settings
from web import errors, paths, security
from web.errors import Problem, problem_of, set_page_renderer


def make_app(bind: str = "127.0.0.1:8080", allowed_hosts: str = "") -> flask.Flask:
    app = flask.Flask("front", static_folder=None)
    settings = load_settings({}, bind=bind, allowed_hosts=allowed_hosts, data_dir=Path("/nowhere"))
    security.register(app, settings)
    paths.register(app)
    errors.register(app)

    @app.route("/api/v1/things/<docid:thing>", methods=["GET", "POST", "DELETE"])
    def thing(thing: str) -> flask.Response:
        return flask.jsonify(id=thing, part="")

    @app.route("/api/v1/things/<docid:thing>/text")
    def text(thing: str) -> flask.Response:
        return flask.jsonify(id=thing, part="text")

    @app.route("/api/v1/broken")
    def broken() -> flask.Response:
        raise ZeroDivisionError("a secret")

    @app.route("/page")
    def page() -> flask.Response:
        raise NotFound("no such page; go home", code="gone")

    return app


@pytest.fixture
def client() -> FlaskClient:
    return make_app().test_client()


@pytest.mark.parametrize(
    ("bind", "extra", "host", "allowed"),
    [
        ("127.0.0.1:8080", "", "127.0.0.1:8080", True),
        ("127.0.0.1:8080", "", "localhost:1234", True),
        ("127.0.0.1:8080", "", "LOCALHOST", True),
        ("127.0.0.1:8080", "", "localhost.", True),
        ("127.0.0.1:8080", "", "[::1]:8080", True),
        ("127.0.0.1:8080", "", "evil.example", False),
        ("127.0.0.1:8080", "", "127.0.0.1.evil.example", False),
        ("127.0.0.1:8080", "", "localhost.evil.example:8080", False),
        ("127.0.0.1:8080", "", "evil.example@127.0.0.1", False),
        ("127.0.0.1:8080", "", "127.0.0.1, evil.example", False),
        ("127.0.0.1:8080", "", "", False),
        ("127.0.0.1:8080", "", "[::1", False),
        ("127.0.0.1:8080", "", "192.168.1.5", False),
        ("127.0.0.1:8080", "search.example, other.example:80", "search.example:443", True),
        ("127.0.0.1:8080", "search.example, other.example:80", "other.example", True),
        ("0.0.0.0:8080", "", "192.168.1.5:8080", True),
        ("0.0.0.0:8080", "", "[fe80::1]:8080", True),
        ("0.0.0.0:8080", "", "evil.example:8080", False),
        ("search.example:8080", "", "search.example:8080", True),
    ],
)
def test_only_known_hosts_are_answered(bind: str, extra: str, host: str, allowed: bool) -> None:
    client = make_app(bind, extra).test_client()
    answer = client.get("/api/v1/things/a", headers={"Host": host})
    assert answer.status_code == (200 if allowed else 400)
    if not allowed:
        assert answer.get_json()["code"] == "host-not-allowed"
        assert "NEARFIELD_ALLOWED_HOSTS" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://localhost"}, True),
        ({"Origin": "https://localhost"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "junk"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://localhost:9999"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "file://"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"}, False),
    ],
)
def test_changes_from_other_sites_are_refused_and_reads_are_not(headers: dict[str, str], allowed: bool) -> None:
    client = make_app().test_client()
    for method in ("POST", "DELETE"):
        answer = client.open("/api/v1/things/a", method=method, headers={"Host": "localhost", **headers})
        assert answer.status_code == (200 if allowed else 403), method
        if not allowed:
            assert answer.get_json()["code"] == "cross-site-request"
    assert client.get("/api/v1/things/a", headers={"Host": "localhost", **headers}).status_code == 200


def test_every_answer_carries_the_headers(client: FlaskClient) -> None:
    for path in ("/api/v1/things/a", "/api/v1/none", "/api/v1/broken", "/page", "/none"):
        answer = client.get(path)
        for name, value in security.HEADERS.items():
            assert answer.headers[name] == value, (path, name)
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Request-ID"]
        assert answer.headers["Server-Timing"].startswith("total;dur=")


def test_a_request_id_is_taken_over_when_it_is_harmless(client: FlaskClient) -> None:
    assert client.get("/page", headers={"X-Request-ID": "abc-1.2_3"}).headers["X-Request-ID"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, "<script>", "ä"):
        assert client.get("/page", headers={"X-Request-ID": bad}).headers["X-Request-ID"] != bad


@pytest.mark.parametrize(
    ("path", "thing", "part"),
    [
        ("a", "a", ""),
        ("a/text", "a", "text"),
        ("a%2Ftext", "a/text", ""),
        ("a%2ftext/text", "a/text", "text"),
        ("a/b/c", "a/b/c", ""),
        ("a/b/text", "a/b", "text"),
        ("%2Fetc%2Fpasswd", "/etc/passwd", ""),
        ("..%2F..%2Fx", "../../x", ""),
        ("100%25", "100%", ""),
        ("%252F", "%2F", ""),
        ("a%2F%2Fb", "a//b", ""),
        ("%E6%96%87%20a+b", "文 a+b", ""),
        ("a%3Fb%23c;d", "a?b#c;d", ""),
    ],
)
def test_document_ids_in_paths(client: FlaskClient, path: str, thing: str, part: str) -> None:
    assert client.get(f"/api/v1/things/{path}").get_json() == {"id": thing, "part": part}


@pytest.mark.parametrize("name", ["\xff", "a\x00b", "\xc3\x28", "a\nb"])
def test_unreadable_paths_are_refused(client: FlaskClient, name: str) -> None:
    answer = client.get("/api/v1/things/x", environ_overrides={"PATH_INFO": f"/api/v1/things/{name}"})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "bad-address")


def test_an_unreadable_query_string_is_refused(client: FlaskClient) -> None:
    answer = client.get("/api/v1/things/a", query_string="q=%ff")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "bad-address")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MalformedJson("x"), 400),
        (InvalidInput("x"), 422),
        (TooLarge("x"), 413),
        (UnsupportedMedia("x"), 415),
        (NotFound("x"), 404),
        (Conflict("x"), 409),
        (ModelError("x"), 409),
        (Unavailable("x"), 503),
        (IndexRebuilding("x"), 503),
        (Overloaded("x"), 503),
        (StorageFull("x"), 507),
        (NearfieldError("x"), 500),
        (RedisConnectionError("password=1"), 503),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'. password=1"), 507),
        (ResponseError("WRONGTYPE password=1"), 500),
        (ZeroDivisionError("password=1"), 500),
    ],
)
def test_each_error_has_a_status(error: Exception, status: int) -> None:
    problem = problem_of(error, request_id="r")
    assert problem.status == status
    assert problem.as_shape()["type"] == f"urn:nearfield:error:{problem.code}"
    assert "password" not in str(problem.as_shape())
    assert status != 503 or int(dict(problem.headers)["Retry-After"]) > 0


def test_every_error_class_of_services_is_in_the_table() -> None:
    def family(kind: type[NearfieldError]) -> list[type[NearfieldError]]:
        return [kind, *(member for child in kind.__subclasses__() for member in family(child))]

    known = [kind for kind in family(NearfieldError) if kind.__module__ == "services.errors"]
    assert len(known) > 10
    missing = {kind.__name__ for kind in known if kind not in errors.STATUS_OF}
    assert missing == {"SettingsError"}  # stops the start; no request meets it


def test_an_unexpected_error_tells_nothing_and_is_logged(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = client.get("/api/v1/broken", headers={"X-Request-ID": "find-me"})
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert "secret" not in answer.get_data(as_text=True)
    assert "find-me" in answer.get_json()["detail"]
    assert "a secret" in caplog.text
    assert "find-me" in caplog.text


@pytest.mark.parametrize("method", ["TRACE", "FOO", "PATCH"])
def test_unknown_methods_get_405_and_no_echo(client: FlaskClient, method: str) -> None:
    answer = client.open("/api/v1/things/a", method=method, headers={"X-Canary": "do-not-echo"})
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.get_json()["code"] == "method-not-allowed"
    assert "do-not-echo" not in answer.get_data(as_text=True)


def test_pages_show_problems_their_own_way() -> None:
    app = make_app()
    set_page_renderer(app, lambda problem: flask.Response(f"own {problem.code}", status=problem.status))
    client = app.test_client()
    assert client.get("/page").get_data(as_text=True) == "own gone"
    assert client.get("/missing").get_data(as_text=True) == "own no-such-route"
    assert client.get("/api/v1/missing").content_type == "application/problem+json"


def test_a_broken_error_page_still_answers(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app()

    def fail(problem: Problem) -> flask.Response:
        raise ZeroDivisionError

    set_page_renderer(app, fail)
    answer = app.test_client().get("/page")
    assert answer.status_code == 404
    assert "no such page; go home" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("bind", "warned"),
    [("127.0.0.1:80", False), ("localhost:0", False), ("[::1]:0", False), ("0.0.0.0:8080", True), ("[::]:1", True)],
)
def test_a_public_address_is_warned_of(bind: str, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        security.warn_if_public(Settings(bind=bind))
    assert ("WITHOUT ACCESS KEYS" in caplog.text) == warned


@pytest.mark.parametrize("host", ["localhost:evil", "localhost:80:evil", "[::1]evil", "localhost:99999999"])
def test_a_host_with_something_else_behind_it_is_no_host(host: str) -> None:
    assert not security.HostList(Settings(bind="127.0.0.1:8080")).allows(host)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "[::1]", "[::1]:8080", "127.0.0.1:1"])
def test_loopback_hosts_are_answered(host: str) -> None:
    assert security.HostList(Settings(bind="127.0.0.1:8080")).allows(host)


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://]", "http://[v1]/", "null", "localhost"])
def test_an_origin_that_is_none_is_a_foreign_one(origin: str) -> None:
    answer = make_app().test_client().post("/api/v1/things/a", headers={"Origin": origin, "Host": "localhost"})
    assert answer.status_code == 403
    assert answer.get_json()["code"] == "cross-site-request"
