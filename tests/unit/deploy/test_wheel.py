"""A built package carries every file the product reads: scripts, templates, static files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.pins import project_table
from tests.architecture.sources import HOUSES
from tests.unit.deploy.parts import ROOT

NOT_SHIPPED = {"__pycache__", ".pyc"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built as the image builds it, from a copy, so that no build folder is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for house in HOUSES:
        shutil.copytree(ROOT / house, folder / house, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [*command, "--disable-pip-version-check", "--wheel-dir", folder / "dist", folder], check=True, timeout=240
    )
    return zipfile.ZipFile(next((folder / "dist").glob("*.whl")))


def sources() -> set[str]:
    """Every file of the four houses."""
    return {
        str(path.relative_to(ROOT))
        for house in HOUSES
        for path in (ROOT / house).rglob("*")
        if path.is_file() and not NOT_SHIPPED & {*path.parts, path.suffix}
    }


def test_every_file_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    missing = sources() - set(wheel.namelist())
    assert not missing, "a folder without __init__.py, or a suffix that pyproject.toml's package-data does not name"


def test_the_kinds_of_files_that_are_read_at_run_time_are_among_them(wheel: zipfile.ZipFile) -> None:
    suffixes = {Path(name).suffix for name in wheel.namelist()}
    assert suffixes >= {".py", ".lua", ".html", ".css", ".js"}


def test_nothing_else_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    version = project_table()["project"]["version"]
    assert tops == {*HOUSES, f"nearfield-{version}.dist-info"}


def test_the_command_and_the_licence_are_declared(wheel: zipfile.ZipFile) -> None:
    info = f"nearfield-{project_table()['project']['version']}.dist-info"
    assert "nearfield = cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert wheel.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Private :: Do Not Upload" in metadata
