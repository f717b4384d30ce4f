"""The fetcher against servers that misbehave (F24), and its manners: robots.txt, pauses, conditional requests."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.sources.fetch.decoding import BLOCK_BYTES, inflated
from services.sources.fetch.pace import Pace
from services.sources.fetch.robots import MAX_ROBOTS_BYTES, Robots, RobotsFile
from services.sources.fetch.values import Known, PageError
from tests.sites import Names, Page, Site, make_fetcher, running_site

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
BOMB = gzip.compress(b"\0" * 50_000_000)


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as made:
        yield made


def error_of(fetcher: object, url: str) -> PageError:
    with pytest.raises(PageError) as caught:
        fetcher.fetch(url)  # type: ignore[attr-defined]
    return caught.value


def endless(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def endless_chunks(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def dripping_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def dripping_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X")
        time.sleep(0.05)


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def huge_length(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 10737418240\r\n\r\n")
    connection.sendall(b"x" * 1000)
    connection.recv(1)


def short_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nonly this")


def reset(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nhalf")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def no_http(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def huge_headers(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    for number in range(100_000):
        connection.sendall(b"X-%d: %s\r\n" % (number, b"y" * 1000))


HOSTILE: dict[str, tuple[Page | Callable[[socket.socket], None], str]] = {
    "endless": (endless, "too-large"),
    "endless chunks": (endless_chunks, "too-large"),
    "dripping body": (dripping_body, "too-slow"),
    "dripping head": (dripping_head, "too-slow"),
    "silent": (silent, "too-slow"),
    "10 GB announced": (huge_length, "too-large"),
    "shorter than announced": (short_body, "broken-answer"),
    "200, then reset": (reset, "broken-answer"),
    "not HTTP": (no_http, "broken-answer"),
    "huge headers": (huge_headers, "broken-answer"),
    "gzip bomb": (Page(BOMB, headers={"Content-Encoding": "gzip"}), "too-large"),
    "damaged gzip": (Page(b"\x1f\x8b\x08\0nonsense" * 9, headers={"Content-Encoding": "gzip"}), "bad-encoding"),
    "half a gzip": (Page(gzip.compress(b"x" * 9999)[:20], headers={"Content-Encoding": "gzip"}), "bad-encoding"),
    "unknown encoding": (Page(b"x", headers={"Content-Encoding": "br"}), "bad-encoding"),
    "redirect loop": (Page(status=302, headers={"Location": "/"}), "redirects"),
    "redirect to nowhere": (Page(status=302), "redirects"),
    "not found": (Page(status=404), "http-status"),
    "server error": (Page(status=500), "http-status"),
    "no content": (Page(status=204), "http-status"),
    "login": (Page(status=401, headers={"WWW-Authenticate": "Basic"}), "http-status"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_servers_that_misbehave_end_as_one_plain_error(name: str, site: Site, tmp_path: Path) -> None:
    site.pages["/"], code = HOSTILE[name]
    fetcher = make_fetcher(tmp_path, site.port, timeout_s=1.0)
    tracemalloc.start()
    error = error_of(fetcher, f"{site.url}/")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == code, error.message
    assert 20 < len(error.message) < 500
    assert error.gone is (name == "not found")
    assert ("longer than 1 s" in error.message) is (code == "too-slow")
    assert peak < 10_000_000
    assert list(tmp_path.iterdir()) == []


def test_a_page_comes_whole_with_what_was_said_of_it(site: Site, tmp_path: Path) -> None:
    text = ("<p>" + "text " * 20_000).encode()
    raw = zlib.compressobj(wbits=-15)
    bodies = {
        "/plain": Page(text, headers={"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}),
        "/gzip": Page(gzip.compress(text), headers={"Content-Encoding": "gzip"}),
        "/members": Page(gzip.compress(text[:9]) + gzip.compress(text[9:]), headers={"Content-Encoding": "gzip"}),
        "/zlib": Page(zlib.compress(text), headers={"Content-Encoding": "deflate"}),
        "/raw": Page(raw.compress(text) + raw.flush(), headers={"Content-Encoding": "deflate"}),
        "/lying": Page(text, headers={"Content-Type": "text/html; charset=klingon"}),
        "/deep": Page(b"<div>" * 5000, headers={"Content-Type": "text/html"}),
    }
    site.pages.update(bodies)
    site.pages["/moved"] = Page(status=301, headers={"Location": "/again?x=1#part"})
    site.pages["/again?x=1"] = Page(status=307, headers={"Location": f"{site.url}/plain"})
    fetcher = make_fetcher(tmp_path, site.port)
    digests = set()
    for path in [*bodies, "/moved"]:
        with fetcher.fetch(site.url + path) as fetched:
            assert fetched.body is not None
            assert fetched.body.read() == (b"<div>" * 5000 if path == "/deep" else text), path
            if path != "/deep":
                digests.add(fetched.digest)
    assert len(digests) == 1
    assert fetched.url == f"{site.url}/plain"
    assert fetched.known == Known('"1"', "Mon, 01 Jan 2024 00:00:00 GMT")
    assert list(tmp_path.iterdir()) == []  # its file has no name


def test_a_page_that_did_not_change_is_not_sent_again(site: Site, tmp_path: Path) -> None:
    site.page("/", "text", headers={"ETag": '"abc"'})
    fetcher = make_fetcher(tmp_path, site.port)
    with fetcher.fetch(f"{site.url}/") as first:
        known = first.known
    again = fetcher.fetch(f"{site.url}/", known)
    assert again.unchanged
    assert again.known.etag == '"abc"'
    assert site.asked("/")[1].headers["if-none-match"] == '"abc"'


def test_five_redirects_are_followed_and_not_six(site: Site, tmp_path: Path) -> None:
    for number in range(6):
        site.pages[f"/{number}"] = Page(status=302, headers={"Location": f"/{number + 1}"})
    site.page("/6", "text")
    fetcher = make_fetcher(tmp_path, site.port)
    fetcher.fetch(f"{site.url}/1").__exit__()
    assert error_of(fetcher, f"{site.url}/0").code == "redirects"


def test_robots_are_obeyed_under_our_name(site: Site, tmp_path: Path) -> None:
    site.page(
        "/robots.txt", "User-agent: *\nDisallow: /\n\nUser-agent: nearfield\nDisallow: /private\nAllow: /private/ok\n"
    )
    for path in ("/a", "/private/ok", "/private/no", "/moved"):
        site.page(path, "text")
    site.pages["/moved"] = Page(status=302, headers={"Location": "/private/no"})
    fetcher = make_fetcher(tmp_path, site.port)
    for path in ("/a", "/private/ok"):
        fetcher.fetch(site.url + path).__exit__()
    for path in ("/private/no", "/moved"):
        error = error_of(fetcher, site.url + path)
        assert error.code == "robots"
        assert "robots.txt" in error.message
    assert len(site.asked("/private/no")) == 0
    assert len(site.asked("/robots.txt")) == 1


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, True), (500, False), (503, False), (429, False)])
def test_robots_that_are_missing_allow_and_that_cannot_be_read_do_not(
    status: int, allowed: bool, site: Site, tmp_path: Path
) -> None:
    site.pages["/robots.txt"] = Page(b"User-agent: *\nDisallow: /", status)
    site.page("/a", "text")
    fetcher = make_fetcher(tmp_path, site.port)
    if allowed:
        fetcher.fetch(f"{site.url}/a").__exit__()
    else:
        assert f"status {status}" in error_of(fetcher, f"{site.url}/a").message
        assert site.asked("/a") == []


def test_endless_robots_are_read_to_their_limit(site: Site, tmp_path: Path) -> None:
    start = b"User-agent: *\nDisallow: /no\n"
    site.pages["/robots.txt"] = Page(start + b"#" * (MAX_ROBOTS_BYTES * 3), 200)
    site.page("/a", "text")
    fetcher = make_fetcher(tmp_path, site.port)
    fetcher.fetch(f"{site.url}/a").__exit__()
    assert error_of(fetcher, f"{site.url}/no").code == "robots"


def test_rules_are_remembered_for_a_while() -> None:
    now, asked = [0.0], []

    def ask(origin: str) -> RobotsFile:
        asked.append(origin)
        return RobotsFile("User-agent: *\nCrawl-delay: 7\n") if len(asked) < 3 else RobotsFile(None, "no answer")

    robots = Robots("Nearfield", ask, clock=lambda: now[0])
    assert robots.rules("http://a:80").delay_s == 7
    assert robots.rules("http://a:80").allows("http://a/x")
    now[0] = 3601
    robots.rules("http://a:80")
    assert len(asked) == 2
    assert robots.rules("http://b:80").trouble == "no answer"
    assert not robots.rules("http://b:80").allows("http://b/x")
    now[0] += 301
    robots.rules("http://b:80")
    assert len(asked) == 4


def test_requests_to_one_server_have_a_pause_between_them() -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now[0] += seconds

    pace = Pace(1.0, clock=lambda: now[0], sleep=sleep)
    pace.take_turn("http://a:80")
    pace.take_turn("http://b:80")
    pace.take_turn("http://a:80", 5.0)
    assert slept == [1.0]
    assert pace.wait_s("http://a:80") == 5.0
    pace.take_turn("http://a:80", 10_000.0)
    assert pace.wait_s("http://a:80") == 30.0
    pace.hold("http://a:80", 1e9)
    assert pace.wait_s("http://a:80") == 3600.0


def test_a_busy_server_is_left_alone(site: Site, tmp_path: Path) -> None:
    site.pages["/"] = Page(b"", 429, {"Retry-After": "120"})
    fetcher = make_fetcher(tmp_path, site.port)
    assert error_of(fetcher, f"{site.url}/").wait_s == 120
    assert 100 < fetcher.wait_s(f"{site.url}/other") <= 120
    assert error_of(fetcher, f"{site.url}/other").code == "busy"
    assert site.asked("/other") == []


def test_inflating_never_makes_large_blocks() -> None:
    sizes = [len(block) for block in inflated([BOMB[start : start + 1000] for start in range(0, len(BOMB), 1000)])]
    assert max(sizes) <= BLOCK_BYTES
    assert sum(sizes) == 50_000_000


def certificate(folder: Path, name: str) -> Path:
    """A certificate and its key for a name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, form, plain))
    return file


def test_the_name_of_a_page_is_what_tls_is_checked_against(tmp_path: Path) -> None:
    file = certificate(tmp_path, "secure.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    trusting = ssl.create_default_context(cafile=str(file))
    names = Names(secure_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    with running_site(tls=server) as site:
        site.page("/", "text")
        site.pages["/down"] = Page(status=302, headers={"Location": f"http://secure.example:{site.port}/"})
        pages = tmp_path / "pages"
        fetcher = make_fetcher(pages, site.port, names=names, tls=trusting)
        with fetcher.fetch(f"https://secure.example:{site.port}/") as fetched:
            assert fetched.size_bytes == 4
        assert error_of(fetcher, f"https://other.example:{site.port}/").code == "unreachable"
        assert error_of(fetcher, f"https://127.0.0.1:{site.port}/").code == "unreachable"
        assert "not encrypted" in error_of(fetcher, f"https://secure.example:{site.port}/down").message
        by_default = make_fetcher(pages, site.port, names=names)
        assert error_of(by_default, f"https://secure.example:{site.port}/").code == "unreachable"


def raw_answer(head: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(b"HTTP/1.1 " + head + b"\r\n\r\nbody")


def test_validators_that_cannot_be_sent_back_are_not_kept(site: Site, tmp_path: Path) -> None:
    fetcher = make_fetcher(tmp_path, site.port)
    site.pages["/a"] = raw_answer(b'200 OK\r\nETag: "caf\xe9"\r\nLast-Modified: \xc2\xb2\r\nContent-Length: 4')
    with fetcher.fetch(f"{site.url}/a") as fetched:
        assert fetched.known == Known()
    with fetcher.fetch(f"{site.url}/a", Known('"caf\xe9"', "x" * 5000)) as fetched:
        assert fetched.size_bytes == 4
    assert not site.asked("/a")[1].headers.keys() & {"if-none-match", "if-modified-since"}


def test_numbers_that_are_none_are_passed_over(site: Site, tmp_path: Path) -> None:
    fetcher = make_fetcher(tmp_path, site.port)
    site.pages["/busy"] = raw_answer(b"503 X\r\nRetry-After: \xb2\r\nConnection: close")
    assert error_of(fetcher, f"{site.url}/busy").wait_s == 60
    fetcher = make_fetcher(tmp_path, site.port)
    site.pages["/long"] = raw_answer(b"200 OK\r\nContent-Length: \xb2\r\nConnection: close")
    assert error_of(fetcher, f"{site.url}/long").code == "broken-answer"


def test_unchanged_is_believed_only_where_it_was_asked(site: Site, tmp_path: Path) -> None:
    fetcher = make_fetcher(tmp_path, site.port)
    site.pages["/a"] = Page(b"", 304)
    error = error_of(fetcher, f"{site.url}/a")
    assert (error.code, error.gone) == ("http-status", False)
    assert fetcher.fetch(f"{site.url}/a", Known('"1"')).unchanged


@pytest.mark.parametrize(
    ("host", "inside"),
    [("localhost", True), ("10.1.2.3", True), ("[::1]", True), ("wiki.internal", True), ("example.org", False)],
)
def test_a_port_inside_the_own_network_names_both_settings(tmp_path: Path, host: str, inside: bool) -> None:
    message = error_of(make_fetcher(tmp_path), f"http://{host}:8000/").message
    assert "NEARFIELD_FETCH_PORTS" in message
    assert ("NEARFIELD_FETCH_ALLOW_CIDRS" in message) is inside
