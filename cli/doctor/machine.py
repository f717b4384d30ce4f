"""The machine: Python, processor, C library, installed packages, memory, disk."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cli.doctor.finding import Finding, failed, ok, skipped, warning
from cli.up.redis_server import machine_memory_mb

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
OLDEST_GLIBC = (2, 34)
LEAST_MEMORY_MB, GOOD_MEMORY_MB = 1500, 4000
LEAST_DISK_MB, GOOD_DISK_MB = 500, 5000


def look_at_machine(data_dir: Path) -> Iterator[Finding]:
    """All findings about the machine."""
    yield python_version(sys.version_info[:2])
    yield processor(platform.system(), platform.machine())
    yield c_library(*platform.libc_ver())
    yield packages()
    yield memory(machine_memory_mb())
    yield disk(data_dir)


def python_version(version: tuple[int, ...]) -> Finding:
    """Whether this Python is one the pinned packages have builds for."""
    shown = ".".join(map(str, version))
    if OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return ok("python", f"{shown}, {sys.executable}")
    return failed(
        "python", f"{shown} is not supported", "install Python 3.11, 3.12 or 3.13 and run `make setup` with it"
    )


def processor(system: str, machine: str) -> Finding:
    """Whether there is a build of the embedded Redis for it."""
    if system == "Linux" and machine in ("x86_64", "AMD64"):
        return ok("processor", f"{system} {machine}")
    return warning(
        "processor",
        f"{system} {machine} has no build of the embedded Redis",
        "use docker compose, or set NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL to two Redis 8 servers",
    )


def c_library(name: str, version: str) -> Finding:
    """Whether the embedded Redis and torch can be loaded."""
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if name != "glibc" or not found:
        return warning("c library", "not glibc", "the embedded Redis needs glibc >= 2.34; otherwise use docker compose")
    if found >= OLDEST_GLIBC:
        return ok("c library", f"glibc {version}")
    return failed(
        "c library", f"glibc {version} is too old", "use a system with glibc >= 2.34 (Debian 12, Ubuntu 22.04)"
    )


def packages() -> Finding:
    """Whether the installed packages are those the product was tried with."""
    try:
        wanted = metadata.requires("nearfield") or []
    except metadata.PackageNotFoundError:
        return failed("packages", "nearfield itself is not installed", "run `make setup`")
    wrong = []
    checked = 0
    for requirement in wanted:
        pinned = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^;\s]+)\s*$", requirement)
        if pinned:  # without a marker: what belongs to an extra may be missing
            checked += 1
            wrong += _difference(pinned.group(1), pinned.group(2))
    if wrong:
        return failed("packages", "; ".join(wrong[:4]) + (" ..." if len(wrong) > 4 else ""), "run `make setup` again")
    return ok("packages", f"all {checked} are the pinned versions")


def _difference(name: str, pinned: str) -> list[str]:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return [f"{name} is missing"]
    return [] if found.partition("+")[0] == pinned else [f"{name} is {found}, not {pinned}"]


def memory(machine_mb: int) -> Finding:
    """Whether two processes with a model and two Redis servers fit."""
    detail = f"{machine_mb:,} MiB"
    if machine_mb < LEAST_MEMORY_MB:
        return failed("memory", detail, f"give it {GOOD_MEMORY_MB:,} MiB: web and worker each hold the model")
    if machine_mb < GOOD_MEMORY_MB:
        return warning(
            "memory", detail, f"{GOOD_MEMORY_MB:,} MiB or more are better: web and worker each hold the model"
        )
    return ok("memory", detail)


def disk(data_dir: Path) -> Finding:
    """Whether the data folder can grow."""
    there = next((folder for folder in (data_dir, *data_dir.parents) if folder.exists()), None)
    if there is None:
        return skipped("disk", f"{data_dir} cannot be looked at")
    free_mb = shutil.disk_usage(there).free // (1024 * 1024)
    detail = f"{free_mb:,} MiB free for {data_dir}"
    if free_mb < LEAST_DISK_MB:
        return failed("disk", detail, "free some space, or choose another --data-dir")
    if free_mb < GOOD_DISK_MB:
        return warning("disk", detail, "nothing is lost when a disk fills up, but nothing more is accepted either")
    if not os.access(there, os.W_OK):
        return failed("disk", f"{there} cannot be written by this user", "choose another --data-dir")
    return ok("disk", detail)
