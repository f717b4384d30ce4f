from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cli.up.folder import DATA_VERSION, DataFolder, write_atomically
from services.errors import NearfieldError


def test_a_new_folder_is_private_and_stamped(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "deep" / "data")
    folder.prepare()
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700
    assert (folder.root / "VERSION").read_text().strip() == str(DATA_VERSION)
    assert folder.logs.is_dir()
    folder.prepare()


def test_a_newer_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text(f"{DATA_VERSION + 1}\n")
    with pytest.raises(NearfieldError, match="newer Nearfield") as caught:
        DataFolder(tmp_path).prepare()
    assert caught.value.code == "newer-data-folder"
    assert "--data-dir" in caught.value.message
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("stamp", ["", "one", "-1", "1.5"])
def test_a_stamp_that_is_no_number_is_refused(tmp_path: Path, stamp: str) -> None:
    (tmp_path / "VERSION").write_text(stamp)
    with pytest.raises(NearfieldError) as caught:
        DataFolder(tmp_path).prepare()
    assert caught.value.code == "foreign-data-folder"


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(NearfieldError, match=r"holiday\.jpg"):
        DataFolder(tmp_path).prepare()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["holiday.jpg"]


def test_a_fresh_volume_is_no_strangers_folder(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    DataFolder(tmp_path).prepare()


def test_what_the_containers_have_written_is_ours(tmp_path: Path) -> None:
    """Under compose nobody stamps the folder before the first command that changes something in it."""
    for name in ("accepted", "collections", "extracted", "incoming", "models", "model-cache", "scratch"):
        (tmp_path / name).mkdir()
    DataFolder(tmp_path).prepare()


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(NearfieldError, match="cannot use the data folder") as caught:
        DataFolder(tmp_path / "data").prepare()
    assert caught.value.code == "data-folder"


def test_the_password_is_made_once_and_private(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.prepare()
    first = folder.password()
    (tmp_path / "secret").chmod(0o644)
    assert folder.password() == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    other = DataFolder(tmp_path / "other")
    other.prepare()
    assert other.password() != first


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
