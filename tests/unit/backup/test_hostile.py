"""Backups that somebody made up: each is refused in plain words, in little memory, before anything of it counts."""

from __future__ import annotations

import base64
import gzip
import json
import tarfile
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.backup.ledger_keys import read_keys
from services.backup.manifest import Header, Member, decode_header, decode_manifest, encode_manifest
from services.backup.read import unpack
from services.errors import InvalidInput
from services.recovery.marks import Mark, decode_marks, encode_marks
from services.sources.records import item_text, source_text, status_text
from services.sources.values import Item, Source, SourceKind, SourceStatus

HEADER = Header(1, "nearfield 1", 1, 1_700_000_000_000_000, "0123456789abcdef:1", 3, 1, 1, 1, 10)
DEEP = b"[" * 100_000
NAME = "accepted/ab/1700000000000000-01234567890123ab.nfe"


@pytest.mark.parametrize(
    "change",
    [
        {"format": True}, {"format": "1"}, {"format": 0}, {"format": 1e400}, {"format": 1.5}, {"format": None},
        {"moment_us": float("inf")}, {"moment_us": -1}, {"moment_us": 10**18}, {"moment_us": "now"}, {"size": -1},
        {"size": float("nan")}, {"size": 1 << 70}, {"jobs": None}, {"documents": [1]}, {"data_version": "1"},
        {"instance": "x\n:1"}, {"instance": "ab:\u00b2"}, {"instance": "../x"}, {"instance": 5}, {"product": None},
        {"instance": "ab:" + "9" * 5000}, {"product": "x" * 5000}, {"missing": "abc"}, {"missing": [1]},
        {"damaged": ["\x1b[2J"]}, {"damaged": {}}, {"more": 1},
    ],
    ids=lambda change: ascii(change)[:40],
)  # fmt: skip
def test_a_header_of_wrong_types_is_refused(change: dict[str, Any]) -> None:
    fields = {**json.loads(HEADER.encode())["nearfield-backup"], **change}
    with pytest.raises(InvalidInput) as caught:
        decode_header(json.dumps({"nearfield-backup": fields}).encode())
    assert caught.value.code == "not-a-backup"


@pytest.mark.parametrize(
    "change",
    [
        {"models": -1}, {"models": True}, {"models": "1"}, {"without_models": 0}, {"without_models": None},
        {"without_models": True}, {"models_damaged": ["../x"]}, {"models_damaged": [1]}, {"models_left_out": "abc"},
        {"models_left_out": ["\x1b[2J"]}, {"models_damaged": {}}, {"more": 1}, {"format": 1},
    ],
    ids=lambda change: ascii(change)[:40],
)  # fmt: skip
def test_what_a_header_says_of_models_is_checked(change: dict[str, Any]) -> None:
    good = replace(HEADER, format=2, models=2, without_models=False, models_damaged=("a",), models_left_out=("b",))
    assert decode_header(good.encode()) == good
    fields = {**json.loads(good.encode())["nearfield-backup"], **change}
    with pytest.raises(InvalidInput) as caught:
        decode_header(json.dumps({"nearfield-backup": fields}).encode())
    assert caught.value.code == "not-a-backup"


@pytest.mark.parametrize("data", [DEEP, b"\xff", b"[]", b"1", b"null", b'{"nearfield-backup": []}', b"9" * 5000])
def test_what_is_no_header_or_manifest_is_refused(data: bytes) -> None:
    assert decode_header(HEADER.encode()) == HEADER
    with pytest.raises(InvalidInput):
        decode_header(data)
    with pytest.raises(InvalidInput):
        decode_manifest(data)


@pytest.mark.parametrize(
    "member",
    [{"size": float("inf"), "sha256": "0" * 64}, {"size": True, "sha256": "0" * 64}, {"size": 1, "sha256": 5}, [], 1,
     {"size": 1}, {"size": -1, "sha256": "0" * 64}, {"size": 1, "sha256": "x" * 64}],
)  # fmt: skip
def test_a_manifest_of_wrong_types_is_refused(member: object) -> None:
    good = {NAME: Member(1, "0" * 64)}
    assert decode_manifest(encode_manifest(good)) == good
    with pytest.raises(InvalidInput, match="manifest"):
        decode_manifest(json.dumps({"members": {NAME: member}}).encode())


def test_a_newer_version_is_named_without_what_a_terminal_would_obey() -> None:
    newer = replace(HEADER, format=99, product="\x1b[2Jnearfield")
    with pytest.raises(InvalidInput) as caught:
        decode_header(newer.encode())
    assert caught.value.code == "newer-backup"
    assert caught.value.message.isprintable()


MARK = Mark("abcdefghijkm", "0" * 32, 3, "failed", "code", "a reason\u2028with\u0085breaks", 0)


@pytest.mark.parametrize(
    "change",
    [{"generation": "1"}, {"generation": float("inf")}, {"visible": -1}, {"state": "ready"}, {"collection_id": "a b"},
     {"doc_hash": "x"}, {"reason": None}, {"reason": "\ud800"}, {"more": 1}, {"code": 1}],
    ids=lambda change: ascii(change)[:40],
)  # fmt: skip
def test_marks_are_checked(change: dict[str, Any]) -> None:
    (line,) = encode_marks([MARK]).decode().strip("\n").split("\n")
    assert list(decode_marks(line.encode()).values()) == [MARK]
    with pytest.raises(ValueError, match="not a mark"):
        decode_marks(json.dumps({**json.loads(line), **change}).encode())


@pytest.mark.parametrize("data", [DEEP, b"1", b"\xff", b"[]", b"null"])
def test_notes_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_marks(data)
    with pytest.raises(ValueError, match=r"."):
        read_keys(data)


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SOURCE = Source("abcdefgh", "abcdefghijkm", "name", SourceKind.URL, "http://a/")


def record(**change: object) -> list[object]:
    source = json.dumps({**json.loads(source_text(SOURCE)), **change})
    return [[coded("source"), coded(source)], [coded("status"), coded(status_text(SourceStatus()))]]


def test_keys_of_sources_are_read() -> None:
    lines = [
        ["nf:s:d:abcdefgh", "hash", record()],
        ["nf:s:i:abcdefgh", "hash", [[coded("http://a/"), coded(item_text(Item("x")))]]],
        ["nf:s:names:abcdefghijkm", "hash", [[coded("name"), coded("abcdefgh")]]],
        ["nf:s:all", "set", [coded("abcdefgh")]],
        ["nf:s:rev", "string", coded("3")],
    ]
    assert len(read_keys("".join(json.dumps(line) + "\n" for line in lines).encode())) == 5


@pytest.mark.parametrize(
    "line",
    [
        ["nf:jobs", "string", coded("1")], ["nf:s:rev", "hash", []], ["nf:s:rev", "string", coded("x")],
        ["nf:s:all", "set", 5], ["nf:s:all", "set", ["?"]], ["nf:s:all", "set", [None]],
        ["nf:s:d:abcdefgh", "hash", []],
        ["nf:s:d:abcdefgh", "hash", record(location=5)], ["nf:s:d:abcdefgh", "hash", record(kind="other")],
        ["nf:s:d:abcdefgh", "hash", record(every_s=1e300)], ["nf:s:d:abcdefgh", "hash", record(include=[5])],
        ["nf:s:i:abcdefgh", "hash", [[coded("a"), coded("[]")]]], ["nf:s:i:abcdefgh", "hash", [[coded("a")]]],
        ["nf:s:i:abcdefgh", "hash", [[coded("a"), coded('{"d":"x","n":"y"}')]]], [1, 2, 3], ["nf:s:all", "set"],
        ["nf:s:lease", "string", coded("1")],
    ],
    ids=lambda line: ascii(line)[:50],
)  # fmt: skip
def test_keys_that_no_backup_holds_are_refused(line: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_keys(json.dumps(line).encode())


def long_header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g", b"X"])
def test_a_long_name_is_refused_before_it_is_read(tmp_path: Path, kind: bytes) -> None:
    file = tmp_path / "b.tgz"
    with gzip.open(file, "wb", compresslevel=1) as packed:
        packed.write(long_header(kind, 3 << 30))
        packed.write(b"a" * 30_000_000)
    tracemalloc.start()
    with pytest.raises(InvalidInput) as caught:
        unpack(file, tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code in ("damaged-backup", "not-a-backup")
    assert peak < 10_000_000


def test_chains_of_headers_and_files_with_holes_are_refused(tmp_path: Path) -> None:
    sparse = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    bodies = {
        "chain": (long_header(b"L", 1) + b"x".ljust(512, b"\0")) * 3000,
        "holes": long_header(b"S", 0) * 3,
        "table": long_header(b"x", len(sparse)) + sparse.ljust(512, b"\0") + long_header(b"0", 1 << 30) + b"1" * 9_999,
    }
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
        with pytest.raises(InvalidInput) as caught:
            unpack(tmp_path / name, tmp_path / f"out-{name}")
        assert caught.value.code == "damaged-backup", name
        assert ("holes" in caught.value.message) is (name != "chain"), name
