from __future__ import annotations

import pytest

from services.errors import InvalidInput
from services.ingest.extract.mail import _end_of_parts, extract_mail
from services.ingest.extract.nested import MAX_ATTACHMENTS, MAX_DEPTH
from services.ingest.extract.registry import extract
from services.ingest.values import BlockKind, Extracted
from tests.unit.ingest.test_containers import zipped

HEADER = (
    b"From: =?utf-8?q?J=C3=BCrgen?= Example <j@example.com>\r\nTo: Ann <ann@example.com>, bob@example.com\r\n"
    b"Cc: Cid <cid@example.com>\r\nSubject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n from here\r\n"
    b"Date: Mon, 2 Jan 2023 10:00:00 +0100\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
)


def read(body: bytes) -> Extracted:
    return extract_mail(body, lambda: None)


def part(kind: str, body: bytes, extra: str = "") -> bytes:
    return f"--B\r\nContent-Type: {kind}\r\n{extra}\r\n".encode() + body + b"\r\n"


def mixed(*parts: bytes, kind: str = "mixed") -> bytes:
    return HEADER + f'Content-Type: multipart/{kind}; boundary="B"\r\n\r\n'.encode() + b"".join(parts) + b"--B--\r\n"


def attached(name: str, body: bytes, kind: str = "text/plain") -> bytes:
    return part(kind, body, f'Content-Disposition: attachment; filename="{name}"\r\n')


def test_people_date_subject_and_text() -> None:
    found = read(HEADER + b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nSch\xf6n\r\ngesagt\r\n")
    assert found.title == "Grüße from here"
    assert found.author == "Jürgen Example <j@example.com>"
    assert found.date == "2023-01-02T09:00:00Z"
    assert found.text == (
        "Grüße from here\n\nFrom: Jürgen Example <j@example.com>\nTo: Ann <ann@example.com>, bob@example.com\n"
        "Cc: Cid <cid@example.com>\nDate: 2023-01-02T09:00:00Z\n\nSchön\ngesagt"
    )
    assert [heading.text for heading in found.headings] == ["Grüße from here"]


def test_plain_text_wins_over_html_unless_it_is_blank() -> None:
    plain, html = part("text/plain", b"plain words"), part("text/html", b"<h1>Head</h1><p>html words")
    assert "html words" not in read(mixed(plain, html, kind="alternative")).text
    found = read(mixed(part("text/plain", b" \r\n"), html, kind="alternative"))
    assert found.text.endswith("Head\n\nhtml words")
    assert [(heading.text, heading.level) for heading in found.headings][1:] == [("Head", 2)]


def test_charsets_that_are_missing_wrong_or_seven_bit() -> None:
    japanese = part("text/plain; charset=iso-2022-jp", "日本語".encode("iso-2022-jp"))
    assert "日本語" in read(mixed(japanese)).text
    assert "Grüße" in read(mixed(part("text/plain; charset=no-such", "Grüße".encode()))).text
    found = read(mixed(part("text/plain", ("Grüße aus Köln und Zürich " * 5).encode("cp1252"))))
    assert "Grüße aus Köln" in found.text
    assert any("read as" in warning for warning in found.warnings)


def test_attachments_follow_under_their_names() -> None:
    body = mixed(
        part("text/plain", b"see below"),
        attached("notes.md", b"# Head\n\n- one\n- two\n", "text/markdown"),
        attached("table.csv", b"a,b\n1,2\n", "text/csv"),
        attached("photo.png", b"\x89PNG\r\n\x1a\n", "image/png"),
        attached("docs.zip", zipped({"in.txt": b"inside", "no.bin": bytes(range(1, 32)) * 9}), "application/zip"),
        part("image/png", b"\x89PNG", "Content-ID: <logo>\r\n"),
        part("application/pgp-signature", b"xxx"),
    )
    found = read(body)
    assert [(heading.text, heading.level) for heading in found.headings][1:] == [
        ("notes.md", 2),
        ("Head", 3),
        ("table.csv", 2),
        ("docs.zip", 2),
        ("in.txt", 3),
    ]
    assert all(found.text[heading.start : heading.end] == heading.text for heading in found.headings)
    assert [found.text[block.start : block.end] for block in found.blocks if block.kind is BlockKind.LIST_ITEM] == [
        "- one",
        "- two",
    ]
    assert [found.text[start:].split("\n")[0] for start in found.parts] == ["notes.md", "table.csv", "docs.zip"]
    assert "a,b\n1,2" in found.text
    assert "inside" in found.text
    assert len(found.warnings) == 2
    assert "photo.png" in found.warnings[0]
    assert "PNG image" in found.warnings[0]
    assert "no.bin" in found.warnings[1]


def test_an_attachment_beside_html_in_an_alternative_is_not_lost() -> None:
    inner = part("text/html", b"<p>html").replace(b"--B", b"--C") + attached("a.txt", b"kept").replace(b"--B", b"--C")
    branch = part('multipart/mixed; boundary="C"', inner + b"--C--")
    found = read(mixed(part("text/plain", b"plain words"), branch, kind="alternative"))
    assert "plain words" in found.text
    assert "html" not in found.text
    assert "kept" in found.text


def test_100_attachments_are_read_and_more_are_told() -> None:
    body = mixed(*(attached(f"a{number}.txt", f"word{number}".encode()) for number in range(MAX_ATTACHMENTS + 70)))
    found = read(body)
    assert f"word{MAX_ATTACHMENTS - 1}" in found.text
    assert f"word{MAX_ATTACHMENTS}" not in found.text
    assert len(found.warnings) == 51
    assert found.warnings[-1] == "20 more attachments have problems"


def message_within(levels: int) -> bytes:
    body = HEADER + b"Content-Type: text/plain\r\n\r\nlevel 0"
    for level in range(1, levels + 1):
        body = (
            mixed(part("text/plain", f"level {level}".encode()), part("message/rfc822", body))
            .replace(b'"B"', f'"B{level}"'.encode())
            .replace(b"--B\r\n", f"--B{level}\r\n".encode())
            .replace(b"--B--", f"--B{level}--".encode())
        )
    return body


def test_messages_50_deep_are_read_as_deep_as_allowed() -> None:
    found = read(message_within(50))
    assert "level 50" in found.text
    assert f"level {50 - MAX_DEPTH}" in found.text
    assert f"level {50 - MAX_DEPTH - 1}" not in found.text
    assert found.warnings == (
        f"attachment 'Grüße from here' was not read: attachments are read {MAX_DEPTH} levels deep",
    )
    assert read(message_within(2)).text.count("level") == 3


def test_a_mail_as_a_file_within_a_mail_counts_its_depth_too() -> None:
    body = HEADER + b"\r\nlevel 0"
    for level in range(1, 6):
        boundary = f"X{level}".encode()
        body = mixed(part("text/plain", f"level {level}".encode()), attached("a.eml", body, "application/octet-stream"))
        body = body.replace(b'"B"', b'"%s"' % boundary).replace(b"--B", b"--" + boundary)
    found = read(body)
    assert "level 2" in found.text
    assert "level 1" not in found.text


@pytest.mark.parametrize(
    "body",
    [
        b"From: " + b"<a@b>, " * 200_000 + b"\r\nMessage-ID: x\r\n\r\nhi",
        b"From: " + b'"' * 100_000 + b"\r\nSubject: " + b"=?utf-8?b?" * 20_000 + b"\r\n\r\nhi",
        b"From: \xff\xfe\r\nSubject: =?no-such?q?x?=\r\nDate: Mon, 99 Foo 99999999999999999 99:99\r\n\r\nhi",
        b"Content-Type: text/plain; charset*0*=x''%00; name*=\r\n\r\nhi",
        HEADER + b"Content-Type: multipart/mixed\r\n\r\nhi",
        HEADER + b"Content-Transfer-Encoding: base64\r\n\r\nhi!!!",
        HEADER + b"X: y\r\n" * 50_000 + b"\r\nhi",
        mixed(*[part("text/plain", b"hi")] * 2_000),
    ],
    ids=["addresses", "quotes", "charsets", "parameters", "no boundary", "base64", "headers", "parts"],
)
def test_broken_and_hostile_mails_come_to_an_end(body: bytes) -> None:
    assert isinstance(read(body).text, str)


def test_parts_nested_without_end_are_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        read(b"Content-Type: message/rfc822\r\n\r\n" * 20_000 + b"x")
    assert caught.value.code == "damaged-file"


def test_an_attachment_cannot_end_the_mail() -> None:
    broken = [attached("a.docx", b"PK\x03\x04nothing"), attached("a.pdf", b"%PDF-1.4 nothing"), attached("b.eml", b"")]
    found = read(mixed(part("text/plain", b"the text"), *broken, attached("last.txt", b"the end")))
    assert "the text" in found.text
    assert "the end" in found.text
    assert len(found.warnings) == 3


def test_parts_over_the_limit_are_not_even_parsed() -> None:
    many = b"".join(b"--B\r\n\r\nword%d\r\n" % number for number in range(1500))
    found = read(HEADER + b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n' + many + b"--B--\r\n")
    assert "word990" in found.text
    assert "word1001" not in found.text
    assert found.warnings == ("only the first 1,000 parts of the mail were read",)
    assert _end_of_parts(b"boundary=B\n" + b"--B\n" * 1001 + b"x") == len(b"boundary=B\n" + b"--B\n" * 1000)
    quoted = b"--C is no boundary\r\n" * 1500
    assert read(mixed(part("text/plain", quoted + b"the end"))).text.endswith("the end")


def test_long_headers_of_parts_are_read_from_their_beginning_only() -> None:
    """The library's parser needs time with the square of their length, and parses at every look."""
    parameters = " ".join(f"a{number}*1*=x;" for number in range(1000))
    first = part(f'text/plain; name="first.txt"; {parameters}', b"one")
    last = part(f'text/plain; {parameters} name="last.txt"', b"two")
    found = read(mixed(first, last))
    assert [heading.text for heading in found.headings][1:] == ["first.txt"], "the second name was not looked at"
    assert "two" in found.text


def test_people_nested_too_deep_are_shown_as_they_stand() -> None:
    assert read(b"To: " + b"(" * 15_000 + b"\r\n\r\nwords").text.endswith("words")


def test_the_language_is_that_of_the_mail_and_not_of_what_is_attached() -> None:
    english = b"Please find the report attached; it explains what happened during the last week of the year."
    german = "Der Bericht beschreibt ausf\u00fchrlich, was in der letzten Woche des Jahres geschehen ist. " * 20
    document = attached("bericht.txt", german.encode(), "text/plain; charset=utf-8")
    mail = "message/rfc822"
    languages = [
        extract(mail, mixed(*parts, document), max_text_bytes=10**6).language
        for parts in ((part("text/plain", english),), (part("text/plain", b"see below"),), ())
    ]
    assert languages == ["en", "", "de"], "known, too short to tell, and only the attachment speaks"
