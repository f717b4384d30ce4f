"""Installed models in a backup: they come back as they were, and nothing else comes with them."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.backup.manifest import HEADER, MANIFEST, Header, Member, encode_manifest, is_member_name
from services.backup.model_check import check_models, models_needed
from services.backup.model_take import NO_MODELS, hold_models
from services.backup.read import read_header, unpack
from services.backup.write import write_backup
from services.collections.values import Algorithm, Chunking, Collection, VectorType
from services.errors import InvalidInput
from services.ledger.envelopes import EnvelopeStore
from tests.unit.backup.samples import capture
from tests.unit.backup.test_archive import members, write
from tests.unit.embedding.installing.tools import Place, small_model

OLD = Header(1, "nearfield 0", 1, 1_700_000_000_000_000, "0123456789abcdef:1", 3, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two installed models, one of them the default, and one that was put there by hand."""
    folder = tmp_path_factory.mktemp("models")
    place = Place(folder / "data")
    place.models.pull(str(small_model(folder / "tea")), "tea.v1")
    place.models.pull(str(small_model(folder / "sea", 9)), "sea")
    place.models.choose("sea")
    small_model(place.folder / "by-hand")
    return folder / "data"


@pytest.fixture
def place(installed: Path, tmp_path: Path) -> Place:
    """A copy of that folder."""
    return Place(shutil.copytree(installed, tmp_path / "data"))


def back_up(place: Place, target: Path) -> Header:
    store = EnvelopeStore(target.parent / "accepted")
    with hold_models(place.folder, target.parent / f"staging-{target.name}") as held:
        held.release()
        return write_backup(
            target, capture(store), ledger_keys=[], product="nearfield 1", data_version=1, models=held.taken
        )


def restored(backup: Path, into: Path) -> Place:
    check_models(into, unpack(backup, into))
    return Place(into)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_models_come_back_as_they_were(place: Place, tmp_path: Path) -> None:
    before = contents(place.folder)
    header = back_up(place, tmp_path / "b")
    assert (header.format, header.models, header.without_models) == (2, 3, False)
    assert (header.models_damaged, header.models_left_out) == ((), ())
    assert read_header(tmp_path / "b") == header
    there = restored(tmp_path / "b", tmp_path / "there")
    assert contents(there.folder) == before
    assert there.default.name() == "sea"
    for name in ("tea.v1", "sea", "by-hand"):
        assert there.registry.spec(name).fingerprint == place.registry.spec(name).fingerprint
        assert there.models.verify(name).ok
    assert {path.stat().st_mode & 0o077 for path in there.folder.rglob("*") if path.is_file()} == {0}


def test_what_happens_to_models_afterwards_changes_nothing_in_it(place: Place, tmp_path: Path) -> None:
    before = contents(place.folder)
    with hold_models(place.folder, tmp_path / "staging") as held:
        held.release()
        place.models.remove("tea.v1")
        store = EnvelopeStore(tmp_path / "accepted")
        write_backup(tmp_path / "b", capture(store), ledger_keys=[], product="x", data_version=1, models=held.taken)
    assert contents(restored(tmp_path / "b", tmp_path / "there").folder) == before


def test_without_links_models_are_read_where_they_lie_and_nobody_removes_them(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_paths: Any, **_options: Any) -> None:
        raise PermissionError(1, "no links here")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", no_links)
        with hold_models(place.folder, tmp_path / "staging") as held:
            held.release()
            assert held.taken.root == place.folder
            assert is_locked(place)
        assert not is_locked(place)
        assert back_up(place, tmp_path / "b").models == 3
    assert contents(restored(tmp_path / "b", tmp_path / "there").folder) == contents(place.folder)


def is_locked(place: Place) -> bool:
    with (place.folder / ".lock").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_models_are_held_until_they_have_second_names(place: Place, tmp_path: Path) -> None:
    with hold_models(place.folder, tmp_path / "staging") as held:
        assert is_locked(place)
        held.release()
        assert not is_locked(place)


def taken(backup: Path) -> dict[str, bytes]:
    """The members but for the one that names what was left out."""
    return {name: data for name, data in members(backup).items() if name != HEADER}


@pytest.mark.parametrize("what", ["link", "folder-link", "pipe", "name", "whole", "empty"])
def test_a_model_with_strange_files_is_left_out_by_name(place: Place, tmp_path: Path, what: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_bytes(b"do not take me")
    folder = place.folder / "odd"
    if what == "whole":
        folder.symlink_to(tmp_path / "secret")
    else:
        folder.mkdir()
    match what:
        case "link":
            (folder / "config.json").symlink_to(tmp_path / "secret" / "key")
        case "folder-link":
            (folder / "1_Pooling").symlink_to(tmp_path / "secret")
        case "pipe":
            os.mkfifo(folder / "pipe")
        case "name":
            (folder / "a\x1b[2J").write_bytes(b"x")
    header = back_up(place, tmp_path / "b")
    assert header.models_left_out == ("odd",)
    assert not any("odd" in name or b"do not take" in data for name, data in taken(tmp_path / "b").items())
    assert restored(tmp_path / "b", tmp_path / "there").folder.is_dir()


def test_what_is_no_model_is_not_taken(place: Place, tmp_path: Path) -> None:
    before = contents(place.folder)
    for name in ("hub/models--org--x/blobs/1", ".new-1/half", "sea/.cache/x", "xet/log"):
        path = place.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert back_up(place, tmp_path / "b").models_left_out == ()
    assert contents(restored(tmp_path / "b", tmp_path / "there").folder) == before


def test_a_damaged_model_is_named_and_taken_along(place: Place, tmp_path: Path) -> None:
    (place.folder / "sea" / "weights.safetensors").write_bytes(b"other")
    (place.folder / "tea.v1.json").write_bytes(b"{")
    assert back_up(place, tmp_path / "b").models_damaged == ("sea", "tea.v1")
    assert contents(restored(tmp_path / "b", tmp_path / "there").folder) == contents(place.folder)


def test_a_backup_without_models_says_who_needs_which(place: Place, tmp_path: Path) -> None:
    store = EnvelopeStore(tmp_path / "accepted")
    header = write_backup(tmp_path / "b", capture(store), ledger_keys=[], product="x", data_version=1, models=NO_MODELS)
    assert (header.models, header.without_models) == (0, True)
    assert not any(name.startswith("models") for name in members(tmp_path / "b"))
    models = ["all-MiniLM-L6-v2", "sea?dim=4", "openai:x", "/srv/none", "org/model@0", str(place.folder / "sea"), "tea"]
    collections = [collection(f"c{number}", model) for number, model in enumerate(models)]
    needed = models_needed(collections, tmp_path / "there" / "models")
    assert [(each.collection, each.model) for each in needed] == [
        ("c1", "sea?dim=4"), ("c2", "openai:x"), ("c3", "/srv/none"), ("c4", "org/model@0"), ("c6", "tea")
    ]  # fmt: skip
    assert "models pull SOURCE --as sea" in needed[0].advice
    assert [each.collection for each in models_needed(collections, place.folder)] == ["c2", "c3", "c4", "c6"]


def collection(name: str, model: str) -> Collection:
    return Collection(name, name, "", model, "", 8, VectorType.FLOAT16, Algorithm.HNSW, Chunking(), (), "en", 0)


def test_a_backup_of_the_first_format_is_still_read(tmp_path: Path) -> None:
    data = OLD.encode()
    assert b"models" not in data
    old = write(
        tmp_path / "old",
        [
            (tarfile.TarInfo(HEADER), data),
            (tarfile.TarInfo(MANIFEST), encode_manifest({HEADER: Member(len(data), digest(data))})),
        ],
    )
    header = unpack(old, tmp_path / "out")
    check_models(tmp_path / "out", header)
    assert (header, header.without_models) == (OLD, True)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "name",
    [
        "models/../x", "models/a/../../x", "models/a/", "models/a/./x", "models//x", "models/a//x", "models/.lock",
        "models/hub/x", "models/token", "models/hub.json", "models/all-MiniLM-L6-v2/x", "models/a.json/x",
        "models/default.json/x", "models/a/x\x1b", "models/a/x\\y", "models/a/" + "d/" * 10 + "x", "models/a", "models",
        "models/a/" + "x" * 256, "models/-a/x", "models/a b/x", "/models/a/x", "models/\u00e4/x", "model-cache/a/x",
        "models/" + "a" * 65 + "/x", "models/a/\udcff",
    ],
    ids=ascii,
)  # fmt: skip
def test_names_that_no_model_has_are_refused(name: str) -> None:
    assert not is_member_name(name)


@pytest.mark.parametrize(
    "name", ["models/a/x", "models/a.json", "models/default.json", "models/A-1_.v/1_Pooling/config.json"]
)
def test_names_of_models_are_taken(name: str) -> None:
    assert is_member_name(name)


Change = Callable[[dict[str, bytes]], object]


def record_naming(file: str) -> Change:
    def change(found: dict[str, bytes]) -> None:
        fields = json.loads(found["models/sea.json"])
        fields["files"][file] = "0" * 64
        found["models/sea.json"] = json.dumps(fields).encode()

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found.update({"models/sea/vocabulary.json": b"[]"}), "not what its record says"),
        (lambda found: found.update({"models/sea/more.json": b"[]"}), "not what its record says"),
        (lambda found: found.update({"models/sea.json": b"[" * 100_000}), "record of the model sea cannot be read"),
        (lambda found: found.update({"models/none.json": found["models/sea.json"]}), "the record of no model"),
        (lambda found: found.update({"models/fourth/x": b"x"}), "4 models, and says 3"),
        (lambda found: found.update({"models/sea.json": b" " * (17 << 20)}), "the record of no model"),
        (lambda found: found.update({"models/default.json": b'{"model": 5}'}), "something else than it should"),
        (lambda found: found.update({"models/default.json": b'"' + b"x" * 70_000 + b'"'}), "something else"),
        (lambda found: found.update({"models/sea/x": b"", "models/sea/x/y": b""}), "a file and a folder"),
        (record_naming("../../outside"), "names files that no model has"),
        (record_naming("/dev/zero"), "names files that no model has"),
    ],
)  # fmt: skip
def test_made_up_models_are_refused(place: Place, tmp_path: Path, change: Change, words: str) -> None:
    back_up(place, tmp_path / "b")
    (tmp_path / "outside").write_bytes(b"x")
    for damaged in ((), ("sea",)):
        hostile = altered(tmp_path, change, models_damaged=damaged)
        into = tmp_path / f"out{len(damaged)}"
        if damaged and words in ("not what its record says", "record of the model sea cannot be read"):
            restored(hostile, into)
            continue
        with pytest.raises(InvalidInput, match=words) as caught:
            restored(hostile, into)
        assert caught.value.code == "damaged-backup"
        assert "Nothing was restored" in caught.value.message


def altered(tmp_path: Path, change: Change, **header: Any) -> Path:
    """The backup with other members, all of them as its manifest says."""
    found = members(tmp_path / "b")
    change(found)
    found.pop(MANIFEST)
    found[HEADER] = replace(read_header(tmp_path / "b"), size=1 << 26, **header).encode()
    listed = {name: Member(len(data), digest(data)) for name, data in found.items()}
    with tarfile.open(tmp_path / "hostile", "w:gz", compresslevel=1) as tar:
        for name, data in {**found, MANIFEST: encode_manifest(listed)}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return tmp_path / "hostile"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_among_a_models_files_are_refused(place: Place, tmp_path: Path, kind: bytes) -> None:
    header = back_up(place, tmp_path / "b")
    info = tarfile.TarInfo("models/sea/config.json")
    info.type, info.linkname = kind, "/etc/passwd"
    hostile = write(tmp_path / "hostile", [(tarfile.TarInfo(HEADER), header.encode()), (info, b"")])
    with pytest.raises(InvalidInput, match="which no backup does"):
        unpack(hostile, tmp_path / "out")


@pytest.mark.parametrize("header", [OLD, replace(OLD, format=2)])
def test_models_in_a_backup_without_any_are_refused(tmp_path: Path, header: Header) -> None:
    entries = [(tarfile.TarInfo(HEADER), replace(header, size=9).encode()), (tarfile.TarInfo("models/a/x"), b"x")]
    with pytest.raises(InvalidInput, match="says that it has none"):
        unpack(write(tmp_path / "hostile", entries), tmp_path / "out")


def test_no_part_of_a_model_is_longer_than_the_backup_says(place: Place, tmp_path: Path) -> None:
    header = replace(back_up(place, tmp_path / "b"), size=5)
    entries = [(tarfile.TarInfo(HEADER), header.encode()), (tarfile.TarInfo("models/a/x"), b"123456")]
    with pytest.raises(InvalidInput, match="more than it says"):
        unpack(write(tmp_path / "hostile", entries), tmp_path / "out")
    assert not (tmp_path / "out" / "models").exists()
