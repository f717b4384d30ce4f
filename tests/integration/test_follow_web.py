"""Followed pages and sitemaps: fetched with manners, updated when they change, removed when they are gone for good."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.sources import follow_web
from services.sources.following import Following
from services.sources.slices import NotOurs, Slice
from services.sources.values import SourceKind, Tally
from tests.conftest import RedisPair
from tests.integration.source_tools import Follower, make_follower
from tests.sites import Page, Site, make_fetcher, running_site

SITEMAP = SourceKind.SITEMAP


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as made:
        yield made


@pytest.fixture
def follower(redis_pair: RedisPair, tmp_path: Path, site: Site) -> Iterator[Follower]:
    fetcher = make_fetcher(tmp_path / "incoming", site.port, timeout_s=2)
    with make_follower(redis_pair, tmp_path, fetcher=fetcher) as made:
        yield made


def write_sitemap(site: Site, *paths: str, at: str = "/sitemap.xml", lastmod: str = "") -> None:
    dated = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
    urls = "".join(f"<url><loc>{path if '://' in path else site.url + path}</loc>{dated}</url>" for path in paths)
    site.page(at, f"<urlset>{urls}</urlset>", headers={"Content-Type": "application/xml"})


def html(text: str, head: str = "") -> str:
    body = f"<body><p>{text}, at some length.</p></body>"
    return f"<!doctype html><html><head><title>{text}</title>{head}</head>{body}</html>"


def test_a_page_is_followed(follower: Follower, site: Site) -> None:
    site.page("/docs/a", html("tea", '<link rel="canonical" href="/docs/a/?utm=no">'), headers={"ETag": '"1"'})
    follower.add(f"{site.url}/docs/a", name="page", every_s=3600)
    assert follower.tally("page") == Tally(added=1)
    assert follower.searchable() == {f"{site.url}/docs/a"}
    record = follower.api.services.ledger.document(follower.collection.id, f"{site.url}/docs/a")
    assert record is not None
    assert (record.url, record.source) == (f"{site.url}/docs/a/?utm=no", "127.0.0.1/docs/a")
    assert record.media_type == "text/html"

    assert follower.tally("page") == Tally(unchanged=1)
    assert site.asked("/docs/a")[1].headers["if-none-match"] == '"1"'
    site.page("/docs/a", html("coffee"), headers={"ETag": '"2"'})
    assert follower.tally("page") == Tally(changed=1)
    site.pages["/docs/a"] = Page(b"", 500)
    status = follower.look("page")
    assert (status.state, status.items) == ("failed", 1)
    assert "status 500" in status.error
    assert status.next_sync_ms > status.last_sync_ms
    assert follower.searchable() == {f"{site.url}/docs/a"}


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_twice_goes_and_may_come_back(follower: Follower, site: Site, status: int) -> None:
    site.page("/a", html("tea"))
    follower.add(f"{site.url}/a", name="page")
    follower.tally("page")
    site.pages["/a"] = Page(b"", status)
    assert follower.look("page").state == "failed"
    assert follower.searchable() == {f"{site.url}/a"}
    follower.look("page")
    assert follower.searchable() == set()
    site.page("/a", html("tea"))
    assert follower.tally("page") == Tally(added=1)
    assert follower.searchable() == {f"{site.url}/a"}


def test_the_pages_of_a_sitemap_are_followed(follower: Follower, site: Site) -> None:
    for name in "abcd":
        site.page(f"/{name}", html(f"page {name}"))
    write_sitemap(site, "/a", "/b", "/private/x", "http://other.example/z", "ftp://no/", lastmod="2024-01-01")
    site.pages["/more.xml.gz"] = Page(gzip.compress(f"<urlset><url><loc>{site.url}/c</loc></url></urlset>".encode()))
    site.page("/index.xml", "<sitemapindex>" + "".join(
        f"<sitemap><loc>{site.url}{path}</loc></sitemap>" for path in ("/sitemap.xml", "/more.xml.gz", "/index.xml")
    ) + "</sitemapindex>")  # fmt: skip
    follower.add(f"{site.url}/index.xml", name="site", kind=SITEMAP, exclude=["private/**"])
    assert follower.tally("site") == Tally(added=3)
    assert follower.searchable() == {f"{site.url}/{name}" for name in "abc"}

    assert follower.tally("site") == Tally(unchanged=3)
    assert [len(site.asked(path)) for path in ("/a", "/b", "/c")] == [1, 1, 2]  # a date that stays saves the request
    write_sitemap(site, "/b", "/d", lastmod="2024-02-02")
    site.page("/b", html("page b, new"))
    assert follower.tally("site") == Tally(added=1, changed=1, removed=1, unchanged=1)
    assert follower.searchable() == {f"{site.url}/{name}" for name in "bcd"}


@pytest.mark.parametrize("trouble", ["down", "empty", "broken", "part"])
def test_a_sitemap_that_cannot_be_read_removes_nothing(follower: Follower, site: Site, trouble: str) -> None:
    site.page("/a", html("tea"))
    site.page("/b", html("coffee"))
    write_sitemap(site, "/a", at="/one.xml")
    write_sitemap(site, "/b", at="/two.xml")
    parts = [f"<sitemap><loc>{site.url}/{name}.xml</loc></sitemap>" for name in ("one", "two")]
    site.page("/sitemap.xml", f"<sitemapindex>{''.join(parts)}</sitemapindex>")
    follower.add(f"{site.url}/sitemap.xml", name="site")
    follower.tally("site")
    if trouble == "down":
        site.pages["/sitemap.xml"] = Page(b"", 500)
    elif trouble == "empty":
        site.page("/sitemap.xml", "<urlset></urlset>")
    elif trouble == "broken":
        site.page("/sitemap.xml", "<urlset><url>")
    else:
        site.pages["/two.xml"] = Page(b"", 500)
    status = follower.look("site")
    assert status.state == "failed"
    assert len(status.error) > 30
    assert follower.searchable() == {f"{site.url}/a", f"{site.url}/b"}


def test_a_look_that_was_cut_short_goes_on_where_it_was(follower: Follower, site: Site) -> None:
    for number in range(6):
        site.page(f"/{number}", html(f"page {number}"))
    write_sitemap(site, *(f"/{number}" for number in range(6)))
    follower.add(f"{site.url}/sitemap.xml", name="site")
    calls = 0

    def end_after_three() -> None:
        nonlocal calls
        calls += 1
        if calls > 6:  # asked before a page is fetched and before it is handed over
            raise NotOurs

    following = Following(follower.followed("site"), follower.means)
    following.work(Slice(5, end_after_three))
    assert follower.followed("site").status.state == "syncing"
    assert len(follower.documents()) == 3
    assert follower.look("site").tally.added == 3
    assert len(follower.searchable()) == 6
    assert [len(site.asked(f"/{number}")) for number in range(6)] == [1] * 6


def test_two_sources_of_one_page_share_it(follower: Follower, site: Site) -> None:
    site.page("/a", html("tea"))
    write_sitemap(site, "/a")
    follower.add(f"{site.url}/sitemap.xml", name="site")
    page = follower.add(f"{site.url}/a", name="page").source
    follower.tally("site")
    assert follower.tally("page") == Tally(unchanged=1)
    follower.means.store.ask_for_removal(page.id, delete_documents=True)
    Following(follower.followed("page"), follower.means).work(Slice(5))
    assert follower.searchable() == {f"{site.url}/a"}
    site.page("/b", html("coffee"))
    write_sitemap(site, "/b")
    follower.tally("site")
    assert follower.searchable() == {f"{site.url}/b"}


def test_a_page_that_cannot_be_used_is_told_and_tried_again(follower: Follower, site: Site) -> None:
    site.page("/a", b"\x7fELF\0\1\2\3" * 99, headers={"Content-Type": "application/octet-stream"})
    site.page("/b", html("tea"))
    write_sitemap(site, "/a", "/b")
    follower.add(f"{site.url}/sitemap.xml", name="site")
    tally = follower.tally("site")
    assert (tally.added, tally.failed) == (1, 1)
    failures = follower.means.store.failed_items(follower.followed("site").source.id, 9)
    assert [item for item, _ in failures] == [f"{site.url}/a"]
    site.page("/a", html("now a page"))
    assert follower.tally("site").added == 1
    assert len(follower.searchable()) == 2


def test_a_feed_becomes_its_items(follower: Follower, site: Site) -> None:
    items = "".join(
        f"<item><title>Item {n}</title><guid>urn:{n}</guid><description>News about {n} things.</description></item>"
        for n in (1, 2)
    )
    feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>{items}</channel></rss>'
    site.page("/feed", feed, headers={"Content-Type": "application/rss+xml"})
    follower.add(f"{site.url}/feed", name="feed")
    assert follower.tally("feed") == Tally(added=1)
    follower.api.drain()
    assert follower.api.services.ledger.counts(follower.collection.id).searchable == 2


def test_a_clients_own_document_under_the_urls_id_stays(follower: Follower, site: Site) -> None:
    url = f"{site.url}/a"
    follower.api.call("POST", "/collections/docs/documents", [{"id": url, "text": "a client's own"}])
    site.pages["/a"] = Page(b"", 404)
    follower.add(url, name="page")
    for _ in range(3):
        follower.look("page")
    assert follower.searchable() == {url}
    site.page("/a", html("tea"))
    assert "delete that one" in follower.look("page").error
    record = follower.api.services.ledger.document(follower.collection.id, url)
    assert record is not None
    assert record.kind == "text"


def test_a_sitemap_that_is_unchanged_without_being_asked_is_an_error(follower: Follower, site: Site) -> None:
    site.pages["/sitemap.xml"] = Page(b"", 304)
    follower.add(f"{site.url}/sitemap.xml", name="site")
    status = follower.look("site")
    assert status.error_code == "http-status"
    assert "not asked" in status.error


def test_an_index_of_too_many_sitemaps_is_cut(follower: Follower, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_web, "MAX_SITEMAPS", 3)
    parts = "".join(f"<sitemap><loc>{site.url}/{number}.xml</loc></sitemap>" for number in range(9))
    site.page("/sitemap.xml", f"<sitemapindex>{parts}</sitemapindex>")
    follower.add(f"{site.url}/sitemap.xml", name="site")
    assert follower.look("site").error_code == "sitemap-incomplete"
    assert len([request for request in site.requests if request.path.endswith(".xml")]) == 3
