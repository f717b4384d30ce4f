"""Nothing leaves the machine when OpenVINO is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import modules

_REPORT = """
import sys
from services.embedding.backends.quiet_openvino import import_openvino
openvino = import_openvino()
openvino.convert_model
print(openvino.__name__, [name for name in sys.modules if name.startswith("openvino_telemetry.")])
"""


def test_the_import_sends_nothing_and_leaves_no_identifier(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _REPORT],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "openvino []\n"
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_imports_it() -> None:
    importers = {
        module.name
        for module in modules()
        for name in module.imports()
        if name.partition(".")[0] in ("openvino", "openvino_telemetry")
    }
    assert importers == {"services.embedding.backends.quiet_openvino"}
