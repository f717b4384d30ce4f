"""The project's modules as the architecture tests see them: parsed, never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOUSES = ("services", "workers", "web", "cli")
# What may act when it is started with `python -m`; everything else only defines.
SHIMS = (
    "web.main",
    "workers.main",
    "workers.keeper",
    "workers.collector",
    "services.ingest.sandbox.server",
    "services.embedding.backends.openvino_child",
    "services.embedding.installing.child",
    "services.training.child",
    "cli.main",
    "cli.up.undertaker",
)


@dataclass(frozen=True)
class Module:
    """A module: its dotted name, its file and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def house(self) -> str:
        return self.name.partition(".")[0]

    def imports(self) -> Iterator[str]:
        """Dotted names of everything it imports, also inside functions and for type checking alone."""
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the product."""
    found = []
    for house in HOUSES:
        for path in sorted((ROOT / house).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))))
    return tuple(found)


def all_sources() -> list[Path]:
    """Every Python file of the project, tests and helpers included."""
    folders = (*HOUSES, "tests", "bench", "scripts")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
