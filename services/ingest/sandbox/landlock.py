"""Files that a fork server and its children may open: their own code and libraries to read, one empty folder to write.

Without it a child that a document has taken over could read what the product keeps (passwords, other documents) and
hand it back as that document's text. A rule of the kernel (Landlock, Linux 5.13), set without privileges, for good.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every machine
_BENEATH = 1
_ASK_VERSION, _SCOPES_SINCE, _SCOPE_SIGNALS = 1, 6, 2  # Linux 6.12: no signal leaves the circle of who is walled in
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR = 2, 4, 8, 16
_ALL = (1 << 13) - 1
_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/localtime", "/etc/mime.types", "/dev/urandom", "/proc/self")


def wall_in(libc: ctypes.CDLL, folder: Path) -> bool:
    """Closes the file system for this process and all that come from it; False where the kernel has no such rule.

    What is open stays open. ``PR_SET_NO_NEW_PRIVS`` must be set.

    Args:
        folder: where files may be written and removed.
    """
    scopes = int(libc.syscall(_CREATE, None, 0, _ASK_VERSION)) >= _SCOPES_SINCE
    handled = struct.pack("=QQQ", _ALL, 0, _SCOPE_SIGNALS) if scopes else struct.pack("=Q", _ALL)
    rules = libc.syscall(_CREATE, handled, len(handled), 0)
    if rules < 0:
        return False
    try:
        for path, allowed in _openings(folder):
            _open(libc, rules, path, allowed)
        return int(libc.syscall(_RESTRICT, rules, 0)) == 0
    finally:
        os.close(rules)


def _openings(folder: Path) -> Iterator[tuple[Path, int]]:
    code = {*sys.path, sys.prefix, sys.base_prefix, *_SYSTEM}
    for path in sorted(Path(place) for place in code if place):
        yield path, _READ_FILE | _READ_DIR if path.is_dir() else _READ_FILE
    yield Path(os.devnull), _READ_FILE | _WRITE_FILE
    yield folder, _ALL
    yield folder.parent, _REMOVE_DIR


def _open(libc: ctypes.CDLL, rules: int, path: Path, allowed: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not every machine has every path
        return
    try:
        libc.syscall(_ADD, rules, _BENEATH, struct.pack("=Qi", allowed, place), 0)
    finally:
        os.close(place)
