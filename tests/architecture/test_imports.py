"""What an import costs and what it does, seen in fresh interpreters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache

import pytest

from tests.architecture.sources import HOUSES, ROOT, modules

HEAVY = {
    "torch", "transformers", "sentence_transformers", "tokenizers", "redis", "redis_om", "redisvl", "celery", "kombu",
    "flask", "flask_openapi", "waitress", "pydantic", "numpy", "sklearn", "scipy", "rich", "httpx2", "ir_measures",
}  # fmt: skip
WHILE_IMPORTING = """
import importlib, json, os, sys, threading
deeds = []
KINDS = ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.fork", "os.posix_spawn")
HOUSES = json.loads(sys.argv[1])
def watch(event, arguments):
    if event in KINDS or (event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__", "").split(".")[0] in HOUSES:
                if NOT_OURS not in str(arguments[0]):
                    deeds.append(f"{frame.f_globals['__name__']}: {event} {arguments[:2]!r}")
                break
            frame = frame.f_back
# Not ours to change: transformers brings torch's compiler in, which makes a folder for its cache.
NOT_OURS = "torchinductor"
sys.addaudithook(watch)
broken = {}
for name in json.load(sys.stdin):
    try:
        importlib.import_module(name)
    except BaseException as error:
        broken[name] = f"{type(error).__name__}: {error}"
threads = [thread.name for thread in threading.enumerate()]
print(json.dumps({"broken": broken, "deeds": deeds, "threads": threads}))
"""


def fresh(code: str, *arguments: str, stdin: str = "") -> str:
    """Runs code in an interpreter of its own, in the repository, with no setting and no warning filter of ours."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEARFIELD_", "PYTHON"))}
    command = [sys.executable, "-B", "-c", code, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, input=stdin, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a statement brings in, beyond what Python itself starts with."""
    before, after = (
        "import json, sys\nbefore = set(sys.modules)",
        "print(json.dumps(sorted(set(sys.modules) - before)))",
    )
    code = f"{before}\n{statement}\n{after}"
    return {name.partition(".")[0] for name in json.loads(fresh(code).splitlines()[-1])}


@cache
def everything_imported() -> dict[str, object]:
    names = [module.name for module in modules()]
    result: dict[str, object] = json.loads(
        fresh(WHILE_IMPORTING, json.dumps(HOUSES), stdin=json.dumps(names)).splitlines()[-1]
    )
    return result


def test_every_module_imports() -> None:
    assert everything_imported()["broken"] == {}


def test_importing_writes_connects_and_starts_nothing() -> None:
    result = everything_imported()
    assert result["deeds"] == []
    assert result["threads"] == ["MainThread"]


def test_importing_services_is_free() -> None:
    assert loaded_by("import services") == {"services"}


@pytest.mark.parametrize("library", ["redis", "redis_om", "torch"])
def test_rendering_commands_needs_no_server_library(library: str) -> None:
    assert library not in loaded_by("import services.index.render")


def test_help_is_there_before_anything_heavy() -> None:
    statement = """
import runpy
sys.argv = ["nearfield", "--help"]
try:
    runpy.run_module("cli.main", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""
    loaded = loaded_by(statement)
    assert "click" in loaded
    assert not loaded & HEAVY
