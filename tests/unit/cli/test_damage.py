"""A server that cannot read its files is recognised by what Redis really says, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.backing import next_epoch
from cli.doctor.finding import Health
from cli.doctor.stores import stored_data
from cli.offline import locked, move_aside, started
from cli.up.damage import damaged_store, speaks_of_damage
from cli.up.folder import DataFolder
from services.errors import NearfieldError
from services.redis_clients import BULK, connect
from services.settings import load_settings


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A stopped pair of servers with something in the ledger."""
    folder, settings = DataFolder(tmp_path / "d"), load_settings({}, data_dir=tmp_path / "d")
    with locked(folder), started(settings, folder) as (ledger, _):
        client = connect(ledger.url, BULK)
        for number in range(300):
            client.set(f"key{number}", "value" * 10)
        client.close()
    return folder


def log_of(folder: DataFolder) -> Path:
    (log,) = (folder.redis("ledger") / "appendonlydir").glob("*.incr.aof")
    return log


def health(folder: DataFolder) -> list[Health]:
    return [finding.health for finding in stored_data(folder)]


def start(folder: DataFolder) -> None:
    with locked(folder), started(load_settings({}, data_dir=folder.root), folder):
        pass


def test_whole_files_and_a_cut_tail_are_read(folder: DataFolder) -> None:
    assert health(folder) == [Health.OK, Health.OK]
    log = log_of(folder)
    log.write_bytes(log.read_bytes()[:-17])
    assert health(folder) == [Health.OK, Health.OK]
    start(folder)


def test_a_damaged_log_is_told_with_the_command_and_moved_aside(folder: DataFolder) -> None:
    log = log_of(folder)
    data = bytearray(log.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = b"\xff" * 200
    log.write_bytes(data)
    assert health(folder) == [Health.FAILED, Health.OK]
    with pytest.raises(NearfieldError) as error:
        start(folder)
    assert error.value.code == "ledger-damaged"
    assert f"nearfield rebuild --ledger --data-dir {folder.root}" in error.value.message
    assert "Bad file format" in error.value.message
    first = move_aside(folder, "ledger")
    assert first is not None
    assert log_of_copy(first).read_bytes() == bytes(data)
    assert move_aside(folder, "ledger") is None
    start(folder)
    second = move_aside(folder, "ledger")
    assert second is not None
    assert second.name == "ledger.damaged-2"


def log_of_copy(place: Path) -> Path:
    (log,) = (place / "appendonlydir").glob("*.incr.aof")
    return log


def test_other_last_words_are_no_damage() -> None:
    assert not speaks_of_damage("Can't open the log file: No space left on device")
    assert not speaks_of_damage("# Failed to bind unix socket")
    assert speaks_of_damage("1:M # Bad file format reading the append only file x.aof: make a backup")


def test_what_is_said_names_what_it_costs(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert "made again from them" in damaged_store("ledger", folder).message
    assert "embeds anew" in damaged_store("index", folder, "a\nb").message


@pytest.mark.parametrize(("before", "after"), [("ab:1", "ab:2"), ("ab:41", "ab:42"), ("ab", "ab:1"), ("ab:x", "ab:1")])
def test_a_restored_instance_has_the_next_epoch(before: str, after: str) -> None:
    assert next_epoch(before) == after
