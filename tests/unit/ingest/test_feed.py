from __future__ import annotations

import io

import pytest

from services.errors import InvalidInput
from services.ingest.rows.tabular import ATOM, RSS, NumberedRow, read_rows

RSS_2 = b"""<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>News</title><link>https://example.com/</link>
<item><title>First &amp; best</title><link>https://example.com/1</link><guid isPermaLink="false">tag:1</guid>
<pubDate>Tue, 19 Nov 2024 13:30:02 +0100</pubDate><dc:creator>Ann Example</dc:creator>
<description>Short</description>
<content:encoded><![CDATA[<p>Long <b>text</b>.</p><script>x()</script><ul><li>one</li></ul>]]></content:encoded></item>
<item><title>Second</title><link>https://example.com/2</link>
<description>&lt;p&gt;Escaped&lt;/p&gt; 3 &lt; 4</description>
<author>bob@example.com (Bob)</author></item>
<item><title>No link</title><guid>https://example.com/3</guid><description>x</description></item>
<item><description>Nothing but text</description><link>javascript:alert(1)</link></item>
</channel></rss>"""
ATOM_1 = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>
<entry><id>urn:uuid:1</id><title type="html">Title &lt;em&gt;one&lt;/em&gt;</title>
<link rel="edit" href="https://example.com/edit"/><link href="https://example.com/a"/>
<published>2024-01-02T03:04:05Z</published><author><name>Ann</name></author><author><name>Bob</name></author>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><h2>Head</h2><p>Body</p></div></content></entry>
<entry><id>urn:uuid:2</id><title>Two</title><updated>2024-05-06</updated><summary>Summary</summary></entry></feed>"""
RSS_1 = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://example.com/"/>
<item rdf:about="https://example.com/x"><title>X</title><link>https://example.com/x</link>
<description>Text of x</description><dc:date>2003-04-05T06:07:08+02:00</dc:date></item></rdf:RDF>"""


def rows(body: bytes, media_type: str = RSS, after: int = 0) -> list[NumberedRow]:
    return list(read_rows(media_type, io.BytesIO(body), after=after))


def test_rss_2() -> None:
    first, second, third, fourth = (row.row for row in rows(RSS_2))
    assert first is not None
    assert (first.id, first.title, first.url) == ("tag:1", "First & best", "https://example.com/1")
    assert first.text == "Long text.\n\n- one"
    assert first.metadata == {"date": "2024-11-19T12:30:02Z", "author": "Ann Example"}
    assert second is not None
    assert (second.id, second.text) == ("https://example.com/2", "Escaped\n\n3 < 4")
    assert second.metadata == {"author": "Bob"}
    assert third is not None
    assert (third.id, third.url) == ("https://example.com/3", "https://example.com/3")
    assert fourth is not None
    assert (fourth.id, fourth.url, fourth.text) == (None, "", "Nothing but text")


def test_atom() -> None:
    first, second = (row.row for row in rows(ATOM_1, ATOM))
    assert first is not None
    assert (first.id, first.title, first.url) == ("urn:uuid:1", "Title one", "https://example.com/a")
    assert first.text == "Head\n\nBody"
    assert first.metadata == {"date": "2024-01-02T03:04:05Z", "author": "Ann, Bob"}
    assert second is not None
    assert (second.text, second.metadata) == ("Summary", {"date": "2024-05-06"})


def test_rss_1() -> None:
    (row,) = rows(RSS_1)
    assert row.row is not None
    assert (row.row.id, row.row.text) == ("https://example.com/x", "Text of x")
    assert row.row.metadata == {"date": "2003-04-05T06:07:08+02:00"}


def test_reading_begins_behind_any_item() -> None:
    whole = rows(RSS_2)
    for after in range(5):
        assert rows(RSS_2, after=after) == whole[after:]


def test_a_broken_feed_is_read_as_far_as_it_goes() -> None:
    cut = RSS_2[: RSS_2.index(b"<author>bob")]
    found = rows(cut)
    assert [row.row.title for row in found if row.row] == ["First & best", "Second"]
    assert "no well-formed XML" in found[0].warnings[0]
    assert found[1].warnings == ()
    named = RSS_2.replace(b"Short", b"a&nbsp;b & c")
    assert len(rows(named)) == 4


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<rss><channel><title>x</title></channel></rss>", "empty-source"),
        (b"no XML at all", "damaged-file"),
        (b"", "damaged-file"),
    ],
)
def test_what_holds_no_items_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rows(body)
    assert caught.value.code == code


def test_ids_and_entities_that_are_tricks() -> None:
    body = b"""<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY y "boom">]>
<rss><channel><item><guid>a&#x202e;b</guid><link>https://example.com/1</link><title>t</title>
<description>A&x;B&y;C</description></item></channel></rss>"""
    (row,) = rows(body)
    assert row.row is not None
    assert row.row.id == "https://example.com/1"
    assert row.row.text == "ABC"
