"""No URL makes the fetcher connect where it must not: FAULTS D against canaries on 127.0.0.1 and ::1."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.sources.fetch.fetcher import UNREACHABLE
from services.sources.fetch.values import PageError
from tests.sites import Names, Page, Site, make_fetcher, running_site

PUBLIC = "93.184.216.34"

# Spellings of this machine, and of other places nobody outside may reach; {port} is the canary's.
HOSTS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0x7F.0.0.1", "0177.0.0.1", "017700000001",
    "0", "0.0.0.0", "127.0.0.1.", "localhost", "LOCALHOST", "localhost.", "①②⑦.0.0.1", "127。0。0。1", "１２７.0.0.1",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[fec0::1]", "[ff02::1]", "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]", "[::ffff:0:127.0.0.1]", "[fe80::1%25lo]", "[fe80::1]", "169.254.169.254", "0xa9fea9fe",
    "2852039166", "100.100.100.200", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "192.0.0.8", "224.0.0.1",
    "255.255.255.255", "metadata.google.internal", "intern.example", "mixed.example", "mapped.example", "none.example",
]  # fmt: skip
URLS = [
    "file:///etc/passwd", "FILE:///etc/passwd", "gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1:{port}/",
    "data:text/html,x", "jar:http://127.0.0.1:{port}!/", "//127.0.0.1:{port}/", "http:127.0.0.1:{port}",
    "http:/127.0.0.1:{port}", "http:///127.0.0.1:{port}/", "://127.0.0.1", "javascript:alert(1)", "",
    "http://ok.example@127.0.0.1:{port}/", "http://user:pass@127.0.0.1:{port}/", "http://@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@ok.example/", "http://ok.example\\@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\.ok.example",
    "http://127.0.0.1:{port}\r\nHost: ok", "http://127.0.0.1:{port}/\r\nX: y", "http://127.0.0.1%00.ok.example:{port}/",
    "http://127.0.0.1\t:{port}/", " http://127.0.0.1:{port}/", "http://127.0.0.1:{port}/a b", "http://127.0.0.1:0{port}/",
    "http://127.0.0.1:70000/", "http://127.0.0.1:-1/", "http://127.0.0.1:/", "http://[::1/", "http://[127.0.0.1]:{port}/",
    "http://[::1]]:{port}/", "http://::1:{port}/", "http://1.2.3.4:22/", "http://1.2.3.4:25/", "http://1.2.3.4:6379/",
    "http://1.2.3.4:0/", "http://ok.example:8080/", "http://ok.example%2f@127.0.0.1:{port}/",
    "http://127.0.0.1%2f:{port}/", "http://127%2e0%2e0%2e1:{port}/", "http://\u202e127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/" + "a" * 3000, "http://xn--0.example/", "unix:///tmp/x.sock", "http+unix://%2ftmp%2fx/",
]  # fmt: skip


@pytest.fixture(scope="module")
def canaries() -> Iterator[tuple[Site, Site]]:
    with running_site() as four, running_site(socket.AF_INET6) as six:
        yield four, six


@pytest.fixture
def names() -> Names:
    return Names(
        intern_example=[["10.0.0.7"]],
        mixed_example=[[PUBLIC, "127.0.0.1"]],
        mapped_example=[["::ffff:127.0.0.1"]],
        none_example=[[]],
        metadata_google_internal=[["169.254.169.254"]],
        ok_example=[["127.0.0.1"]],
    )


def refused(folder: Path, names: Names, url: str, *ports: int) -> PageError:
    fetcher = make_fetcher(folder, *ports, allow="", names=names, timeout_s=3)
    with pytest.raises(PageError) as caught:
        fetcher.fetch(url)
    return caught.value


def test_there_are_enough_of_them() -> None:
    assert len({*HOSTS, *URLS}) >= 80


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_that_are_not_public_are_never_connected_to(
    host: str, canaries: tuple[Site, Site], names: Names, tmp_path: Path
) -> None:
    for canary in canaries:
        error = refused(tmp_path, names, f"http://{host}:{canary.port}/secret", canary.port)
        assert error.code in ("unreachable", "bad-url")
        assert canary.connections == 0


@pytest.mark.parametrize("url", URLS, ids=lambda url: ascii(url)[:60])
def test_urls_that_mislead_are_never_connected_to(
    url: str, canaries: tuple[Site, Site], names: Names, tmp_path: Path
) -> None:
    for canary in canaries:
        error = refused(tmp_path, names, url.replace("{port}", str(canary.port)), canary.port)
        assert error.code in ("unreachable", "bad-url")
        assert canary.connections == 0


def test_the_canaries_can_sing(canaries: tuple[Site, Site], tmp_path: Path) -> None:
    """That the tests above can fail: allowed, the same fetcher does connect. Runs last in this file's order."""
    with running_site() as four, running_site(socket.AF_INET6) as six:
        for canary in (four, six):
            canary.page("/secret", "sung")
            with make_fetcher(tmp_path, canary.port).fetch(f"{canary.url}/secret") as fetched:
                assert fetched.body is not None
                assert fetched.body.read() == b"sung"


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{canary}/", "//127.0.0.1:{canary}/", "http://intern.example/", "file:///etc/passwd",
        "http://[::1]:{canary}/", "gopher://127.0.0.1:{canary}/", "http://u:p@site.example:{site}/x", "http://site.example:22/",
        "", "http://127.1:{canary}/", "\\\\127.0.0.1\\x",
    ],
)  # fmt: skip
def test_every_hop_of_a_redirect_is_checked(
    target: str, canaries: tuple[Site, Site], names: Names, tmp_path: Path
) -> None:
    canary, _ = canaries
    with running_site() as site:
        location = target.replace("{canary}", str(canary.port)).replace("{site}", str(site.port))
        site.pages["/"] = Page(b"", 302, {"Location": location})
        # the site's own address is allowed as one machine of 127/8; the canary's is not
        names.known["site.example"] = [["127.0.0.1"]]
        fetcher = make_fetcher(tmp_path, site.port, canary.port, allow="127.0.0.1/32", names=names, timeout_s=3)
        fetcher_for_others = make_fetcher(tmp_path, site.port, allow="127.0.0.1/32", names=names, timeout_s=3)
        chosen = fetcher if "127" not in location and "::1" not in location else fetcher_for_others
        with pytest.raises(PageError):
            chosen.fetch(f"http://site.example:{site.port}/")
        assert len(site.requests) == 2  # robots.txt and the page
        assert canary.connections == 0


def test_a_name_that_changes_its_answer_is_connected_to_as_it_was_checked(tmp_path: Path) -> None:
    """Rebinding: each connection asks once, and what was checked is what is connected to."""
    with running_site() as site, running_site() as canary:
        site.page("/", "the page")
        names = Names(rebind_example=[["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]])
        fetcher = make_fetcher(tmp_path, site.port, canary.port, allow="127.0.0.1/32", names=names, timeout_s=3)
        with fetcher.fetch(f"http://rebind.example:{site.port}/") as fetched:
            assert fetched.body is not None
        assert names.asked == ["rebind.example"] * 2  # once for robots.txt, once for the page
        error = refused_with(fetcher, f"http://rebind.example:{site.port}/")
        assert error.message == UNREACHABLE
        assert len(names.asked) == 3


def refused_with(fetcher: object, url: str) -> PageError:
    with pytest.raises(PageError) as caught:
        fetcher.fetch(url)  # type: ignore[attr-defined]
    return caught.value


def test_closed_refused_and_unknown_read_alike(names: Names, tmp_path: Path) -> None:
    """No oracle: from the error nobody learns which ports and machines there are."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    names.known["closed.example"] = [["127.0.0.1"]]
    names.known["unknown.example"] = [[]]
    messages = set()
    for host, allow in (
        ("closed.example", "127.0.0.1/32"),
        ("closed.example", ""),
        ("unknown.example", ""),
        ("intern.example", ""),
    ):
        fetcher = make_fetcher(tmp_path, closed, allow=allow, names=names, timeout_s=3)
        messages.add(refused_with(fetcher, f"http://{host}:{closed}/").message)
    assert messages == {UNREACHABLE}


def test_proxies_netrc_and_cookies_are_not_used(
    monkeypatch: pytest.MonkeyPatch, canaries: tuple[Site, Site], tmp_path: Path
) -> None:
    canary, _ = canaries
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, canary.url)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with running_site() as site:
        site.pages["/"] = Page(b"x", 200, {"Set-Cookie": "a=b; Path=/"})
        fetcher = make_fetcher(tmp_path, site.port)
        for _ in range(2):
            fetcher.fetch(f"{site.url}/").__exit__()
        assert [sorted(request.headers) for request in site.asked("/")] == [
            ["accept", "accept-encoding", "connection", "host", "user-agent"]
        ] * 2
    assert canary.connections == 0
