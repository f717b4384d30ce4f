"""What set-up installs, read from ``pyproject.toml`` (what is wanted) and ``constraints.txt`` (every exact version).

``python scripts/pins.py`` prints the product's own requirements, one per line; ``python scripts/pins.py dev`` adds
those of the extra. Image and set-up both take their lists from here, so neither can drift from the project's table.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def normalised(name: str) -> str:
    """A distribution's name as package indexes compare it: ``Flask_Openapi`` and ``flask-openapi`` are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project_table(root: Path = ROOT) -> dict[str, Any]:
    """The whole of ``pyproject.toml``."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(*extras: str, root: Path = ROOT) -> list[str]:
    """The requirement lines of the project, those of the named extras after them.

    Raises:
        KeyError: the project has no such extra.
    """
    project = project_table(root)["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return lines


def constraints(root: Path = ROOT) -> dict[str, str]:
    """Exact versions by normalised name.

    Raises:
        ValueError: a line that is not ``name==version``, with its number.
    """
    pins: dict[str, str] = {}
    for number, line in enumerate((root / "constraints.txt").read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!]+)", text)
        if found is None:
            raise ValueError(f"constraints.txt line {number}: {text!r} is not name==version")
        pins[normalised(found[1])] = found[2]
    return pins


if __name__ == "__main__":
    print("\n".join(requirements(*sys.argv[1:])))
