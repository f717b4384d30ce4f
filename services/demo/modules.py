"""Which modules of the standard library the demo shows, under which public name, and in which order."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The modules that answer the example questions: loaded first, so that the first search finds something within seconds.
# fmt: off
FIRST = (
    "gzip", "zlib", "bz2", "lzma", "difflib", "secrets", "tempfile", "zipfile", "tarfile",
    "hashlib", "hmac", "random", "shutil", "textwrap", "statistics", "datetime", "csv", "json",
)

# Of no use to somebody who looks for a way to do something: tests, programs, code tables, easter eggs, what exists for
# one platform only; and what Python 3.12 and 3.13 have removed, so that nobody is sent to a dead end.
_LEFT_OUT = frozenset({
    "test", "tests", "idlelib", "lib2to3", "turtledemo", "site-packages", "dist-packages", "ensurepip", "pydoc_data",
    "encodings", "tkinter", "__phello__", "this", "antigravity", "asyncio.windows_events", "asyncio.windows_utils",
    "ntpath", "nturl2path",
    "aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr", "imp",
    "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd", "sunau", "telnetlib",
    "uu", "xdrlib",
})
# fmt: on

# Python modules with a private name that hold what people import under a public one.
_PUBLIC_NAMES = {
    "_collections_abc": "collections.abc",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_threading_local": "threading",
    "_weakrefset": "weakref",
    "concurrent.futures._base": "concurrent.futures",
    "genericpath": "os.path",
    "pathlib._local": "pathlib",
    "posixpath": "os.path",
}

# Modules written in C (or with their best parts in C): read by importing them, which has no side effects for these.
BUILT_IN = {
    "zlib": "zlib",
    "_bz2": "bz2",
    "_lzma": "lzma",
    "binascii": "binascii",
    "_struct": "struct",
    "_csv": "csv",
    "math": "math",
    "cmath": "cmath",
    "time": "time",
    "itertools": "itertools",
    "_functools": "functools",
    "_collections": "collections",
    "array": "array",
    "unicodedata": "unicodedata",
    "_datetime": "datetime",
    "_random": "random",
    "_socket": "socket",
    "select": "select",
    "_thread": "threading",
    "_queue": "queue",
    "gc": "gc",
    "sys": "sys",
    "builtins": "builtins",
}


@dataclass(frozen=True, slots=True)
class SourceModule:
    """A module to be read from its source; ``name`` is the public one."""

    name: str
    path: Path


def standard_library() -> Path:
    """The folder of the running Python's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def source_modules(root: Path) -> list[SourceModule]:
    """All modules to read, those of the example questions first, then by name."""
    ranks = {name: rank for rank, name in enumerate(FIRST)}
    found = [SourceModule(name, path) for path in sorted(_python_files(root)) if (name := _public_name(root, path))]
    return sorted(found, key=lambda module: (ranks.get(top_level(module.name), len(FIRST)), module.name, module.path))


def top_level(name: str) -> str:
    """The first part of a dotted name: what people import and filter by."""
    return name.partition(".")[0]


def _python_files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.suffix == ".py" and entry.is_file():
            yield entry
        elif entry.name not in _LEFT_OUT and (entry / "__init__.py").is_file():
            yield from _python_files(entry)


def _public_name(root: Path, path: Path) -> str:
    """The dotted name people know a file's module by, "" for private and left-out ones."""
    parts = path.relative_to(root).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    name = ".".join(parts)
    if name in _PUBLIC_NAMES:
        return _PUBLIC_NAMES[name]
    return "" if name in _LEFT_OUT or any(part.startswith("_") for part in parts) else name
