"""Sitemaps: what is read of them, and what they cannot make us do."""

from __future__ import annotations

import gzip
import io
import tracemalloc

import pytest

from services.errors import SourceError
from services.sources.sitemap import MAX_ENTRIES, Entry, read_sitemap

NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def read(text: str | bytes) -> object:
    return read_sitemap(io.BytesIO(text.encode() if isinstance(text, str) else text))


def test_pages_and_their_dates() -> None:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><urlset {NS} xmlns:i="urn:i">'
        "<url><loc> http://a/1?x=1&amp;y=2 </loc><lastmod>2024-01-01</lastmod><i:image><i:loc>http://no/</i:loc></i:image></url>"
        "<url><lastmod>2024</lastmod></url><url><loc>http://a/2</loc></url></urlset>"
    )
    found = read_sitemap(io.BytesIO(text.encode()))
    assert not found.is_index
    assert found.entries == [Entry("http://a/1?x=1&y=2", "2024-01-01"), Entry("http://a/2")]
    assert read_sitemap(io.BytesIO(gzip.compress(text.encode()))).entries == found.entries


def test_an_index_and_a_plain_list() -> None:
    index = read_sitemap(
        io.BytesIO(f"<sitemapindex {NS}><sitemap><loc>http://a/s.xml</loc></sitemap></sitemapindex>".encode())
    )
    assert (index.is_index, index.entries) == (True, [Entry("http://a/s.xml")])
    plain = read_sitemap(io.BytesIO(b"\xef\xbb\xbfhttp://a/1\r\n\r\nhttps://a/2"))
    assert plain.entries == [Entry("http://a/1"), Entry("https://a/2")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "<html><body>no</body></html>",
        "<rss/>",
        "<urlset><url><loc>http://a</url>",
        "<urlset>",
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>',
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><urlset><url><loc>&f;</loc></url></urlset>',
        "<urlset>" + "<a>" * 5000,
        b"\x1f\x8b\x08nonsense",
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_what_is_no_sitemap_is_told(text: str | bytes) -> None:
    with pytest.raises(SourceError) as caught:
        read(text)
    assert caught.value.code == "bad-sitemap"


def test_bombs_are_stopped_in_little_memory() -> None:
    entry = b"<url><loc>http://a/" + b"x" * 60 + b"</loc></url>"
    long = io.BytesIO(gzip.compress(b"<urlset>" + entry * (MAX_ENTRIES + 10)))
    wide = io.BytesIO(gzip.compress(b"<urlset>" + b" " * 60_000_000))
    one = io.BytesIO(gzip.compress(b"<urlset><url><loc>" + b"y" * 40_000_000))
    found = read_sitemap(long)
    assert found.truncated
    assert len(found.entries) == MAX_ENTRIES
    for bomb in (wide, one):
        tracemalloc.start()
        with pytest.raises(SourceError):
            read_sitemap(bomb)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()


def test_a_doctype_without_entities_is_harmless() -> None:
    found = read_sitemap(
        io.BytesIO(b'<!DOCTYPE urlset SYSTEM "http://evil/x.dtd"><urlset><url><loc>http://a</loc></url></urlset>')
    )
    assert found.entries == [Entry("http://a")]


@pytest.mark.parametrize("start", ["<urlset><!--", "<urlset><a b='", "<!--", "<!DOCTYPE a [<!--", "<urlset><?p ", "<"])
def test_a_token_without_end_is_not_read_again_and_again(start: str) -> None:
    body = io.BytesIO(start.encode() + b" x" * 10_000_000)
    with pytest.raises(SourceError) as caught:
        read_sitemap(body)
    assert caught.value.code == "bad-sitemap"
    assert body.tell() < 4_000_000, "it is given up early"
