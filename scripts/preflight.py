"""Can this machine run the project? Asked before anything is downloaded; every answer names its remedy.

Old interpreters must be able to read this file in order to be told that they are too old: no new syntax here.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 13)
OLDEST_GLIBC = (2, 34)
VENV_GIB = 4.0  # 2.0 GiB installed with the CPU build of torch, as much again while pip unpacks
UNPACK_GIB = 2.0
COMPOSE = "run it in containers instead: `docker compose up --build`"


@dataclass(frozen=True)
class Machine:
    """What the checks look at. Free space is in GiB; ``temp_gib`` is None where TMPDIR lies on the same disk."""

    python: tuple[int, int]
    has_venv: bool
    system: str
    arch: str
    libc: str
    disk_gib: float
    temp_gib: float | None


def look(folder: Path) -> Machine:
    """Describes the machine and interpreter that run this, with the disk that ``folder`` is on."""
    temp = Path(tempfile.gettempdir())
    other_disk = temp.stat().st_dev != folder.stat().st_dev
    return Machine(
        python=(sys.version_info[0], sys.version_info[1]),
        has_venv=all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip")),
        system=platform.system(),
        arch=platform.machine(),
        libc=_libc(),
        disk_gib=_free_gib(folder),
        temp_gib=_free_gib(temp) if other_disk else None,
    )


def problems(machine: Machine, *, download: bool = True) -> list[str]:
    """What stands in the way, one sentence each with its remedy; empty when set-up can begin.

    Args:
        download: whether the packages are still to be fetched and unpacked, which is what needs the disk.
    """
    found = _python_problems(machine) + _platform_problems(machine)
    if download:
        found += _disk_problems(machine)
    return found


def _python_problems(machine: Machine) -> list[str]:
    given, oldest, newest = (".".join(map(str, v)) for v in (machine.python, OLDEST_PYTHON, NEWEST_PYTHON))
    if not OLDEST_PYTHON <= machine.python <= NEWEST_PYTHON:
        return [
            f"Python {given} is not supported, only {oldest} to {newest}. Install one of them (Debian and Ubuntu: "
            f"`apt-get install python3 python3-venv`) or name it: `make setup PYTHON=/path/to/python{oldest}`"
        ]
    if not machine.has_venv:
        return [
            f"Python {given} has no venv module. Debian and Ubuntu pack it apart: `apt-get install python{given}-venv`"
        ]
    return []


def _platform_problems(machine: Machine) -> list[str]:
    if machine.system != "Linux" or machine.arch != "x86_64":
        return [f"This is {machine.system} on {machine.arch}; the embedded Redis runs on Linux x86-64 only. {COMPOSE}"]
    name, _, version = machine.libc.partition(" ")
    needed = ".".join(map(str, OLDEST_GLIBC))
    if name != "glibc":
        return [
            f"This system's C library is {machine.libc or 'not glibc'}; glibc {needed} or newer is needed. {COMPOSE}"
        ]
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_GLIBC:
        return [
            f"glibc {version} is older than {needed}. Use Debian 12, Ubuntu 22.04, Fedora 35, RHEL 9 or later, "
            f"or {COMPOSE}"
        ]
    return []


def _disk_problems(machine: Machine) -> list[str]:
    found = []
    if machine.disk_gib < VENV_GIB:
        found.append(
            f"{machine.disk_gib:.1f} GiB of disk are free here; {VENV_GIB:.0f} GiB are needed. "
            "Free some, or put the checkout on another disk"
        )
    if machine.temp_gib is not None and machine.temp_gib < UNPACK_GIB:
        found.append(
            f"{machine.temp_gib:.1f} GiB are free in the folder for temporary files, where pip unpacks; "
            f"{UNPACK_GIB:.0f} GiB are needed. Name a roomier folder: `make setup TMPDIR=/path`"
        )
    return found


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):  # musl knows no such name
        return ""


def _free_gib(folder: Path) -> float:
    return shutil.disk_usage(folder).free / 2**30
