"""Set-up says what is missing and what to do about it, before it downloads anything."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.preflight import Machine, look, problems
from tests.unit.deploy.parts import ROOT

READY = Machine(
    python=(3, 12), has_venv=True, system="Linux", arch="x86_64", libc="glibc 2.36", disk_gib=20.0, temp_gib=None
)


def test_a_ready_machine_has_no_problems() -> None:
    assert problems(READY) == []


@pytest.mark.parametrize("python", [(3, 11), (3, 12), (3, 13)])
def test_supported_pythons_pass(python: tuple[int, int]) -> None:
    assert problems(replace(READY, python=python)) == []


@pytest.mark.parametrize(
    ("machine", "complaint", "remedy"),
    [
        (replace(READY, python=(3, 10)), "Python 3.10 is not supported, only 3.11 to 3.13", "PYTHON=/path/to/"),
        (replace(READY, python=(3, 14)), "Python 3.14 is not supported, only 3.11 to 3.13", "PYTHON=/path/to/"),
        (replace(READY, has_venv=False), "Python 3.12 has no venv", "apt-get install python3.12-venv"),
        (replace(READY, arch="aarch64"), "Linux on aarch64", "docker compose up"),
        (replace(READY, system="Darwin", arch="arm64", libc=""), "Darwin on arm64", "docker compose up"),
        (replace(READY, libc="glibc 2.31"), "glibc 2.31 is older than 2.34", "Debian 12"),
        (replace(READY, libc="glibc 2.4"), "glibc 2.4 is older than 2.34", "Debian 12"),
        (replace(READY, libc=""), "glibc 2.34 or newer is needed", "docker compose up"),
        (replace(READY, disk_gib=3.2), "3.2 GiB of disk are free here; 4 GiB are needed", "Free some"),
        (replace(READY, temp_gib=0.4), "0.4 GiB are free in the folder for temporary files", "TMPDIR=/path"),
    ],
)  # fmt: skip
def test_each_obstacle_is_named_with_its_remedy(machine: Machine, complaint: str, remedy: str) -> None:
    found = problems(machine)
    assert len(found) == 1
    assert complaint in found[0]
    assert remedy in found[0]


def test_newer_systems_pass() -> None:
    assert problems(replace(READY, libc="glibc 2.34", temp_gib=2.0, disk_gib=4.0)) == []
    assert problems(replace(READY, libc="glibc 3.0")) == []


def test_all_obstacles_are_told_at_once() -> None:
    assert len(problems(replace(READY, python=(3, 9), libc="glibc 2.17", disk_gib=0.1))) == 3


def test_the_disk_is_not_asked_about_when_everything_is_there() -> None:
    assert problems(replace(READY, disk_gib=0.1, temp_gib=0.1), download=False) == []


def test_this_machine_is_described(tmp_path: Path) -> None:
    machine = look(tmp_path)
    assert machine.python == sys.version_info[:2]
    assert machine.has_venv
    assert machine.libc.startswith("glibc ")
    assert machine.disk_gib > 0
    assert problems(machine, download=False) == []


def test_an_interpreter_is_found_and_a_broken_one_passed_over(tmp_path: Path) -> None:
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\necho 'not active' >&2\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    (tmp_path / "python3.12").symlink_to(sys.executable)
    assert find_python(tmp_path) == (f"{tmp_path}/python3.12", "")


def test_no_interpreter_at_all_is_said(tmp_path: Path) -> None:
    found, said = find_python(tmp_path)
    assert found == "python3"
    assert "apt-get install python3 python3-venv" in said


def find_python(path: Path) -> tuple[str, str]:
    """What scripts/find-python.sh prints where only ``path`` is searched."""
    done = subprocess.run(
        ["/bin/sh", ROOT / "scripts" / "find-python.sh"],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr.strip()
