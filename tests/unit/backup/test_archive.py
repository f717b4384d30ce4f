"""A backup file as it is written and read: whole or refused, and nothing outside its folder is touched."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.backup.manifest import HEADER, MANIFEST, Header, Member, encode_manifest
from services.backup.read import read_header, unpack
from services.backup.write import write_backup
from services.errors import Conflict, InvalidInput, NearfieldError, StorageFull
from services.ledger.envelope_format import EnvelopeHeader
from services.ledger.envelopes import EnvelopeStore
from tests.unit.backup.samples import capture, document


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A small backup of three envelopes."""
    store = EnvelopeStore(tmp_path / "accepted")
    for number in range(3):
        header = EnvelopeHeader("abcdefghijkm", 1_700_000_000_000_000 + number, "job", 1, label="x")
        store.write(header, [(document(f"d{number}", b"text %d " % number * 500), 1)])
    write_backup(tmp_path / "b.tgz", capture(store), ledger_keys=[], product="nearfield 1", data_version=1)
    return tmp_path / "b.tgz"


def members(backup: Path) -> dict[str, bytes]:
    with tarfile.open(backup) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def write(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def refused(backup: Path, into: Path) -> NearfieldError:
    with pytest.raises(NearfieldError) as error:
        unpack(backup, into)
    return error.value


def test_what_was_written_is_read_back(backup: Path, tmp_path: Path) -> None:
    header = unpack(backup, tmp_path / "out")
    assert (header.envelopes, header.documents, header.missing, header.damaged) == (3, 3, (), ())
    assert read_header(backup) == header
    for name, data in members(backup).items():
        if name not in (HEADER, MANIFEST):
            assert (tmp_path / "out" / name).read_bytes() == data
    found = EnvelopeStore(tmp_path / "out" / "accepted")
    assert sum(len(found.names(shard)) for shard in range(256)) == 3


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_short_is_refused(backup: Path, tmp_path: Path, share: float) -> None:
    data = backup.read_bytes()
    backup.write_bytes(data[: int(len(data) * share)])
    error = refused(backup, tmp_path / "out")
    assert error.code in ("damaged-backup", "not-a-backup")
    assert "Nothing was restored" in error.message


def test_every_altered_byte_is_noticed(backup: Path, tmp_path: Path) -> None:
    plain = gzip.decompress(backup.read_bytes())
    altered = tmp_path / "altered"
    written = {name: data for name, data in members(backup).items() if name.endswith(".nfe")}
    for position in range(600, len(plain), 997):
        data = bytearray(plain)
        if data[position] == 0 and not any(data[position - 20 : position + 20]):
            continue  # padding between members says nothing
        data[position] ^= 0x41
        altered.write_bytes(data)
        try:
            unpack(altered, tmp_path / f"out{position}")
        except NearfieldError as error:
            assert error.code in ("damaged-backup", "not-a-backup"), position  # noqa: PT017
        else:
            kept = {path.name: path.read_bytes() for path in (tmp_path / f"out{position}").rglob("*.nfe")}
            assert kept == {Path(name).name: data for name, data in written.items()}, "only a time or a mode differs"


@pytest.mark.parametrize(
    "name",
    ["../x.nfe", "/etc/x", "accepted/../../x", "accepted/aa/x.nfe", "redis/ledger/redis.conf", "collections/../a.json"],
)
def test_a_member_with_a_name_of_its_own_is_refused(backup: Path, tmp_path: Path, name: str) -> None:
    found = members(backup)
    listed = {one: Member(len(data), "0" * 64) for one, data in found.items()}
    entries = [(tarfile.TarInfo(HEADER), found[HEADER]), (tarfile.TarInfo(name), b"x")]
    hostile = write(tmp_path / "hostile", [*entries, (tarfile.TarInfo(MANIFEST), encode_manifest(listed))])
    assert refused(hostile, tmp_path / "out").code == "damaged-backup"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name in ("x.nfe", "x", "a.json")) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_are_refused(backup: Path, tmp_path: Path, kind: bytes) -> None:
    found = members(backup)
    name = next(one for one in found if one.endswith(".nfe"))
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    hostile = write(tmp_path / "hostile", [(tarfile.TarInfo(HEADER), found[HEADER]), (info, b"")])
    assert refused(hostile, tmp_path / "out").code == "damaged-backup"


def altered_header(change: Callable[[Header], Header], backup: Path, tmp_path: Path) -> Path:
    return write(tmp_path / "other", [(tarfile.TarInfo(HEADER), change(read_header(backup)).encode())])


def test_a_newer_format_and_a_foreign_file_are_told_apart(backup: Path, tmp_path: Path) -> None:
    newer = altered_header(lambda header: replace(header, format=99), backup, tmp_path)
    assert refused(newer, tmp_path / "o1").code == "newer-backup"
    for number, data in enumerate((b"", b"hello" * 500, gzip.compress(b"hello" * 500), b"\0" * 4096)):
        (tmp_path / "foreign").write_bytes(data)
        assert refused(tmp_path / "foreign", tmp_path / f"f{number}").code == "not-a-backup", number
    zipped = write(tmp_path / "tar", [(tarfile.TarInfo("readme.txt"), b"x")])
    assert refused(zipped, tmp_path / "o2").code == "not-a-backup"


def test_more_than_it_says_or_than_there_is_room_for_is_refused(backup: Path, tmp_path: Path) -> None:
    found = members(backup)
    small = replace(read_header(backup), size=10).encode()
    entries = [(tarfile.TarInfo(HEADER), small)]
    entries += [(tarfile.TarInfo(name), data) for name, data in found.items() if name.endswith(".nfe")]
    assert refused(write(tmp_path / "bomb", entries), tmp_path / "out").code == "damaged-backup"
    huge = altered_header(lambda header: replace(header, size=1 << 60), backup, tmp_path)
    with pytest.raises(StorageFull):
        unpack(huge, tmp_path / "out2")


def test_a_damaged_envelope_is_named_and_taken_along(tmp_path: Path) -> None:
    store = EnvelopeStore(tmp_path / "accepted")
    (place,) = store.write(EnvelopeHeader("abcdefghijkm", 1_700_000_000_000_000, "job", 1), [(document("a"), 1)])
    name = place.partition(":")[0]
    path = store.folder / name[-2:] / f"{name}.nfe"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    header = write_backup(tmp_path / "b", capture(store), ledger_keys=[], product="nearfield 1", data_version=1)
    assert header.damaged == (name,)
    assert unpack(tmp_path / "b", tmp_path / "out").damaged == (name,)


def test_nothing_is_left_behind_when_it_cannot_be_written(tmp_path: Path) -> None:
    store = EnvelopeStore(tmp_path / "accepted")
    target = tmp_path / "b"
    target.write_bytes(b"mine")
    arguments = {"ledger_keys": [], "product": "x", "data_version": 1}
    with pytest.raises(Conflict):
        write_backup(target, capture(store), **arguments)  # type: ignore[arg-type]
    assert target.read_bytes() == b"mine"
    with pytest.raises(NearfieldError, match="cannot be written"):
        write_backup(tmp_path / "no" / "where", capture(store), **arguments)  # type: ignore[arg-type]
    broken = capture(store, extra=("1700000000000000-0123456789abcdef",))
    with pytest.raises(NearfieldError):
        write_backup(tmp_path / "c", broken, **arguments)  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accepted", "b"]


def test_the_errors_are_the_products_own(backup: Path, tmp_path: Path) -> None:
    assert isinstance(refused(tmp_path / "absent", tmp_path / "out"), NearfieldError)
    assert not isinstance(refused(tmp_path / "absent", tmp_path / "out"), InvalidInput)
