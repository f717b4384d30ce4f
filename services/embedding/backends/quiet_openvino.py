"""OpenVINO without its telemetry: the only place that imports it.

``import openvino`` tells Google Analytics that it was imported, unless the machine's user has opted out, and leaves an
identifier in the home folder. A product that promises to need no internet must not do that. Where the package
``openvino_telemetry`` cannot be imported, OpenVINO takes an empty stand-in of its own.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import cast


def import_openvino() -> ModuleType:
    """The module ``openvino``; nothing is sent and nothing is written."""
    blocked = cast("dict[str, ModuleType | None]", sys.modules)
    blocked.setdefault("openvino_telemetry", None)
    import openvino

    return cast(ModuleType, openvino)
