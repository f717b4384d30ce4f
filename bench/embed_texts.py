"""What is embedded in ``bench.embed``: docstrings of the standard library and a handful of questions."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

QUERIES = (
    "how do I shrink a file before sending it",
    "run many tasks at once",
    "read settings from the environment",
    "parse a date out of a string",
    "what happens when a dictionary is changed while I loop over it",
)
_SKIPPED_FOLDERS = {"site-packages", "test", "tests", "idlelib", "lib2to3"}


def docstrings(count: int) -> list[str]:
    """``count`` docstrings of the standard library at equal distances; 50 tokens on average."""
    texts = list(_docstrings())
    return [texts[number * len(texts) // count if len(texts) > count else number] for number in range(count)][
        : len(texts)
    ]


def _docstrings() -> Iterator[str]:
    """All of them, read from its sources."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        if _SKIPPED_FOLDERS & set(path.relative_to(library).parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text and len(text) > 20:
                    yield text
