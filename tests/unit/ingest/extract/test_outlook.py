"""Outlook messages: the real sample, the same with damage, and one that holds another (all its storages made here)."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from services.errors import InvalidInput
from services.ingest.extract.nested import Nest
from services.ingest.extract.outlook import _Part, _read, extract_outlook
from tests.evaldata import evaluation_folder


def sample() -> bytes:
    return (evaluation_folder("documents") / "markitdown" / "test_outlook_msg.msg").read_bytes()


def test_a_real_message() -> None:
    found = extract_outlook(sample(), lambda: None)
    assert found.title == "Test Email Message"
    assert found.author == "M. C. Kurtuluş <test.sender@example.com>"
    assert found.date == "2024-12-22T08:23:00Z"
    assert found.text.endswith("To: test.recipient@example.com\nDate: 2024-12-22T08:23:00Z\n\n"
                               "This is the body of the test email message")  # fmt: skip


def outcome(body: bytes) -> str:
    try:
        return type(extract_outlook(body, lambda: None).text).__name__
    except InvalidInput as error:
        return error.code


def test_damage_ends_in_a_text_or_a_reason() -> None:
    body = sample()
    seen = set()
    for seed in range(60):
        chance = random.Random(seed)
        damaged = bytearray(body[: chance.choice([len(body), len(body) // 2, 600])])
        for _ in range(chance.choice([1, 20, 400])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        seen.add(outcome(bytes(damaged)))
    assert seen == {"str", "damaged-file"}


@pytest.mark.parametrize("body", [b"", b"no container", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 5000])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        extract_outlook(body, lambda: None)
    assert caught.value.code == "damaged-file"


@dataclass
class Storage:
    """A storage as python-oxmsg hands it out, made of texts and bytes by property id."""

    name: str
    texts: dict[int, str] = field(default_factory=dict)
    blobs: dict[int, bytes] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    storages: tuple[Storage, ...] = ()
    header: int = 8

    @property
    def properties_stream_bytes(self) -> bytes:
        kinds = [(0x1F, pid) for pid in self.texts] + [(0x102, pid) for pid in self.blobs]
        segments = [kind.to_bytes(2, "little") + pid.to_bytes(2, "little") + b"\0" * 12 for kind, pid in kinds]
        segments += [
            (3).to_bytes(2, "little") + pid.to_bytes(2, "little") + b"\0" * 4 + value.to_bytes(4, "little") + b"\0" * 4
            for pid, value in self.numbers.items()
        ]
        return b"\0" * self.header + b"".join(segments)

    def property_stream_bytes(self, pid: int, ptyp: int) -> bytes:
        return self.texts[pid].encode("utf-16-le") if ptyp == 0x1F else self.blobs[pid]


def message(name: str, subject: str, *parts: Storage, header: int, html: bytes = b"") -> Storage:
    texts = {0x0037: subject, 0x0C1A: "Ann", 0x5D01: "ann@example.com"}
    texts |= {} if html else {0x1000: f"Text of {subject}"}
    return Storage(name, texts, {0x1013: html} if html else {}, {}, parts, header)


def test_recipients_html_attachments_and_messages_within() -> None:
    inner = message("__substg1.0_3701000D", "Inner", header=24)
    parts = (
        Storage("__recip_version1.0_#0", {0x3001: "Bob", 0x39FE: "bob@example.com"}, numbers={0x0C15: 1}),
        Storage("__recip_version1.0_#1", {0x3001: "Cid", 0x3003: "/O=ORG/CN=CID"}, numbers={0x0C15: 2}),
        Storage("__attach_version1.0_#0", {0x3707: "notes.txt"}, {0x3701: b"attached words"}),
        Storage("__attach_version1.0_#1", {0x3001: "a message"}, storages=(inner,)),
        Storage("__attach_version1.0_#2", {0x370E: "image/png", 0x3712: "logo"}, {0x3701: b"\x89PNG\r\n"}),
        Storage("__attach_version1.0_#3", {0x3707: "broken.txt"}),
    )
    outer = message("", "Outer", *parts, header=32, html=b"<h1>Head</h1><p>words")
    nest = Nest(lambda: None)
    found = _read(_Part(outer, 32), nest)
    assert found.text == (
        "Outer\n\nFrom: Ann <ann@example.com>\nTo: Bob <bob@example.com>\nCc: Cid\n\nHead\n\nwords\n\n"
        "notes.txt\n\nattached words\n\na message\n\nInner\n\nFrom: Ann <ann@example.com>\n\nText of Inner"
    )
    assert [heading.level for heading in found.headings] == [1, 2, 2, 2, 3]
    assert [found.text[start:].split("\n")[0] for start in found.parts] == ["notes.txt", "a message"]
    assert found.warnings == (
        "attachment 'broken.txt' was not read: the file is empty; there is nothing to search in it",
    )
