"""`nearfield add` and media types: it takes what plug-ins of the server read, and imports none of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.files import FoundFile, Skipped, find_files
from cli.main import main
from services.ingest.extract.registry import use_plugins

BINARY = b"\0\1\2\3" * 40
ODD = "application/x-hdf"  # what Python's own table says of .hdf
PLACE = "a_module_that_is_not_there:extract"


@pytest.fixture(autouse=True)
def no_plugins_afterwards() -> Iterator[None]:
    yield
    use_plugins({})


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "measured.hdf"
    path.write_bytes(BINARY)
    return path


def only(path: Path, media_type: str = "") -> FoundFile | Skipped:
    (found,) = find_files([path], None, media_type)
    return found


def test_a_type_that_its_name_says_is_taken_where_a_plug_in_reads_it(odd: Path) -> None:
    assert isinstance(only(odd), Skipped)
    use_plugins({ODD: PLACE})
    assert only(odd) == FoundFile(odd, "measured.hdf", len(BINARY), ODD)


def test_a_type_that_is_not_known_here_is_left_to_the_server(tmp_path: Path) -> None:
    path = tmp_path / "data.unheard"
    path.write_bytes(BINARY)
    assert isinstance(only(path), Skipped)
    assert only(path, "text/x-unheard") == FoundFile(path, "data.unheard", len(BINARY), "text/x-unheard")


def test_a_type_that_is_known_does_not_hide_what_the_file_is(odd: Path) -> None:
    found = only(odd, "application/pdf")
    assert isinstance(found, Skipped)


def test_the_command_knows_the_plug_ins_of_the_settings_without_importing_them(odd: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cli.commands import add\n"
        "from cli.files import FoundFile\n"
        "from cli.options import read_settings\n"
        "add._know_plugins(read_settings())\n"
        "report = add.AddReport('docs', created=False)\n"
        f"files = add._found(report, [Path({str(odd)!r})], None, '', media=False)\n"
        "print([file.media_type for file in files], report.skipped)\n"
        "print(sorted({'torch', 'redis', 'sentence_transformers', 'celery', 'flask', 'numpy'} & set(sys.modules)))\n"
    )
    environment = {"NEARFIELD_EXTRACTORS": f"{ODD}={PLACE}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == [f"['{ODD}'] []", "[]"]


@pytest.mark.parametrize("given", ["pdf", "text/", "text/x y", "text/x\r\nX-Evil: 1", ""])
def test_what_is_no_media_type_is_a_wrong_call(odd: Path, given: str) -> None:
    result = CliRunner().invoke(main, ["add", str(odd), "--media-type", given], env={"NEARFIELD_URL": "http://[::1]:9"})
    assert result.exit_code == 2
    assert "type/subtype" in result.output


def test_a_setting_that_cannot_be_read_is_a_wrong_call(odd: Path) -> None:
    environment = {"NEARFIELD_URL": "http://127.0.0.1:9", "NEARFIELD_EXTRACTORS": "nonsense"}
    result = CliRunner().invoke(main, ["add", str(odd)], env=environment)
    assert result.exit_code == 2
    assert "NEARFIELD_EXTRACTORS" in result.output
