"""The Makefile and .ci/run: one interface for developers, and a gate whose failure is seen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.deploy.parts import ROOT

WANTED = {"setup", "run", "test", "check", "bench", "bench-embed", "bench-search", "quality", "clean"}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def make(*arguments: str) -> str:
    """What ``make`` prints, without the settings of a make that runs this test."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    done = subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_bare_make_lists_every_target_with_a_line() -> None:
    listed = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", make(), re.MULTILINE))
    assert set(listed) >= WANTED
    declared = set(next(line for line in MAKEFILE.splitlines() if line.startswith(".PHONY:")).split()[1:])
    assert declared == set(listed)


@pytest.mark.parametrize("target", sorted(WANTED - {"setup", "clean"}))
def test_every_target_sets_up_first(target: str) -> None:
    assert "-m scripts.bootstrap" in make("-n", target)


def test_run_starts_the_product_on_the_given_folder_and_port() -> None:
    assert "nearfield up --data-dir .nearfield --port 8080" in make("-n", "run")
    shown = make("-n", "run", "DATA_DIR=/srv/data", "PORT=0", "ARGS=--no-demo")
    assert "nearfield up --data-dir /srv/data --port 0 --no-demo" in shown


def test_test_runs_the_checks_before_the_suite() -> None:
    shown = make("-n", "test")
    order = [
        shown.index(part) for part in ("ruff check .", "ruff format --check .", "mypy", "tests/architecture", "-n 2")
    ]
    assert order == sorted(order)
    assert "--dist loadgroup" in shown


def test_bench_runs_both() -> None:
    shown = make("-n", "bench")
    assert "bench.embed" in shown
    assert "bench.search" in shown
    for module in re.findall(r"-m (bench\.[a-z]+)", shown + make("-n", "quality")):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()


def test_clean_keeps_the_environment_and_the_data(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    kept = [tmp_path / ".venv" / "lib" / "__pycache__", tmp_path / ".nearfield", tmp_path / "services"]
    gone = [tmp_path / "build", tmp_path / "services" / "__pycache__", tmp_path / "nearfield.egg-info"]
    for folder in [*kept, *gone]:
        folder.mkdir(parents=True)
    subprocess.run(["make", "-C", tmp_path, "clean"], capture_output=True, check=True)
    assert [folder.exists() for folder in kept] == [True] * len(kept)
    assert [folder.exists() for folder in gone] == [False] * len(gone)


@pytest.mark.parametrize(("recipe", "status"), [("@true", 0), ("@exit 3", 2)])
def test_ci_runs_the_readmes_command_and_passes_its_failure_on(tmp_path: Path, recipe: str, status: int) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "Makefile").write_text(f"test:\n\t@echo CI=$$CI\n\t{recipe}\n", encoding="utf-8")
    done = run_ci(tmp_path, there=("chromium", "strace"))
    assert done.returncode == status
    assert "CI=true" in done.stdout
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_goes_on_where_optional_programs_cannot_be_installed(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "Makefile").write_text("test:\n\t@echo tested\n", encoding="utf-8")
    done = run_ci(tmp_path, there=(), apt='echo asked for "$@"; exit 100')
    assert done.returncode == 0
    assert "tested" in done.stdout
    if os.geteuid() == 0:
        assert "could not install chromium" in done.stdout
        assert "could not install strace" in done.stdout


def run_ci(folder: Path, *, there: tuple[str, ...], apt: str = "exit 99") -> subprocess.CompletedProcess[str]:
    """Runs a copy of .ci/run where only a few programs are on PATH."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("bash", "env", "make", "dirname", "id", "timeout", "sh", "echo", "true"):
        (programs / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    for name, code in {**dict.fromkeys(there, "exit 0"), "apt-get": apt}.items():
        (programs / name).write_text(f"#!/bin/sh\n{code}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    return subprocess.run(
        [folder / ".ci" / "run"], env={"PATH": str(programs)}, capture_output=True, text=True, timeout=60, check=False
    )


def test_ci_is_a_program() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert os.access(ROOT / "scripts" / "find-python.sh", os.X_OK)
