"""The end of a run says how many tests were skipped and why, also when two processes share the work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.deploy.parts import ROOT

TESTS = """
import pytest
@pytest.mark.skip(reason="chromium not found")
@pytest.mark.parametrize("n", range(2))
def test_browser(n): pass
def test_strace(): pytest.skip("strace not found\\nhere")
def test_passes(): pass
"""


def run(folder: Path, *arguments: str) -> str:
    plugins = ("-p", "tests.plugins.skips", "-p", "no:cacheprovider", *(["-p", "xdist"] if arguments else []))
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_reasons_are_counted_over_all_processes(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "test_other.py").write_text(
        "import pytest\npytest.skip('no model', allow_module_level=True)\n", encoding="utf-8"
    )
    shown = run(tmp_path, "-n", "2")
    assert "skipped: 4" in shown
    assert "    2  chromium not found" in shown
    assert "    1  strace not found here" in shown
    assert "    1  no model" in shown


def test_a_run_without_skips_says_so(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text("def test_passes(): pass\n", encoding="utf-8")
    assert "skipped: 0" in run(tmp_path)
