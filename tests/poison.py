"""Readers that do harm, one per kind of poisoned document: what NEARFIELD_EXTRACTORS is given in tests.

They run in a child of the sandbox. What they try is what a parser with a hole can be made to do.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from services.ingest.sandbox import confine
from services.ingest.sandbox.frames import FRAME, HEAD, MAGIC
from services.ingest.values import Block, BlockKind, Extracted, Heading, PageMark

Tick = Callable[[], None]


def crash(body: bytes, tick: Tick) -> NoReturn:
    """Ends as a parser in C does that follows a wild pointer."""
    ctypes.string_at(0)
    raise AssertionError("still alive")


def loop(body: bytes, tick: Tick) -> NoReturn:
    """Never comes to an end, and says nothing."""
    while True:
        pass


def loop_telling(body: bytes, tick: Tick) -> NoReturn:
    """Never comes to an end, and always reports progress."""
    while True:
        tick()


def eat_memory(body: bytes, tick: Tick) -> NoReturn:
    """Takes all the memory there is."""
    held = []
    while True:
        held.append(b"x" * 16 * 1024 * 1024)


def fork_thrice(body: bytes, tick: Tick) -> Extracted:
    """Leaves processes behind: children, a grandchild that nobody waits for, one in a session of its own."""
    for number in range(3):
        if os.fork() == 0:
            if number == 1 and os.fork() != 0:
                os._exit(0)
            if number == 2:
                os.setsid()
            time.sleep(3600)
    return Extracted("never trusted")


def fill_disk(body: bytes, tick: Tick) -> NoReturn:
    """Writes as long as anybody lets it."""
    for number in range(10_000):
        with Path(f"junk-{number}").open("wb") as file:
            while True:
                file.write(b"x" * 1024 * 1024)
    raise AssertionError("the disk is full")


def leave(body: bytes, tick: Tick) -> NoReturn:
    """Ends as if all were well, without a result."""
    os._exit(0)


def recurse(body: bytes, tick: Tick) -> Extracted:
    """Goes down until something gives."""
    sys.setrecursionlimit(1 << 30)
    return recurse(body, tick)


def recurse_politely(body: bytes, tick: Tick) -> Extracted:
    """Goes down until Python says no."""
    return recurse_politely(body, tick)


def sleep(body: bytes, tick: Tick) -> NoReturn:
    """Waits for an hour."""
    time.sleep(3600)
    raise AssertionError("an hour is over")


def break_half_way(body: bytes, tick: Tick) -> NoReturn:
    """Gets half of its work done."""
    tick()
    raise ZeroDivisionError(body.decode())


def write_garbage(body: bytes, tick: Tick) -> NoReturn:
    """Writes a result of its own making."""
    os.write(confine.OUTPUT, os.urandom(5000))
    os._exit(0)


def lie_about_checksum(body: bytes, tick: Tick) -> NoReturn:
    """Writes a head that does not go with what follows, which is well-formed."""
    frame = FRAME.pack(13, 0) + b'{"title":"x"}'
    os.pwrite(confine.OUTPUT, HEAD.pack(MAGIC, len(frame), b"0" * 16) + frame, 0)
    os._exit(0)


def hand_back_too_much(body: bytes, tick: Tick) -> Extracted:
    """More than the sandbox takes, though within the limit of the text."""
    return Extracted("x" * 70_000_000)


def hand_back_nonsense(body: bytes, tick: Tick) -> Extracted:
    """Offsets outside the text."""
    wrong = {
        b"heading": Extracted("abc", headings=(Heading(1, 9, 1, "x"),)),
        b"page": Extracted("abc", pages=(PageMark(2, 1), PageMark(1, 2))),
        b"page number": Extracted("abc", pages=(PageMark(0, 0),)),
        b"block": Extracted("abc", blocks=(Block(0, 2, BlockKind.CODE), Block(1, 3, BlockKind.CODE))),
        b"negative": Extracted("abc", headings=(Heading(-1, 1, 1, "x"),)),
    }
    return wrong[body]


def reach_out(body: bytes, tick: Tick) -> Extracted:
    """Tries what no reader needs, and tells what it got away with."""
    got = []
    for deed in (_read_file, _connect, _start_program, _write_file, _remove_file, _kill_parent, _raise_limits):
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            deed()
            got.append(deed.__name__)
    secrets = [name for name in os.environ if "NEARFIELD" in name or "PASSWORD" in name]
    descriptors: list[int] = []
    with contextlib.suppress(OSError):
        descriptors = sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    return Extracted(f"{got} {secrets} {descriptors[:-1]}")


def kill_server(body: bytes, tick: Tick) -> NoReturn:
    """Ends the process that forked it."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(3600)
    raise AssertionError("an hour is over")


def give_back(body: bytes, tick: Tick) -> Extracted:
    """No harm at all: half a surrogate pair, and a title over two lines."""
    return Extracted(body.decode() + "\ud800", title="two\n lines", author="A. Writer", date="2024-05-06")


def _read_file() -> None:
    Path("/etc/passwd").read_bytes()


def _connect() -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=0.2).close()


def _start_program() -> None:
    subprocess.run(["/bin/true"], check=True, timeout=5)


def _write_file() -> None:
    Path("/tmp/nearfield-poison-was-here").write_text("x")


def _remove_file() -> None:
    Path("/tmp/nearfield-poison-was-here").unlink()


def _kill_parent() -> None:
    os.kill(os.getppid(), 0)


def _raise_limits() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (7, 7))


KINDS: dict[str, Callable[[bytes, Tick], Extracted]] = {
    "crash": crash,
    "loop": loop,
    "memory": eat_memory,
    "fork": fork_thrice,
    "disk": fill_disk,
    "exit": leave,
    "recursion": recurse,
    "sleep": sleep,
    "half": break_half_way,
}
"""The nine kinds of FAULTS: what every document of that media type does to its reader."""

OTHERS: dict[str, Callable[[bytes, Tick], Extracted]] = {
    "telling": loop_telling,
    "polite": recurse_politely,
    "garbage": write_garbage,
    "lie": lie_about_checksum,
    "flood": hand_back_too_much,
    "nonsense": hand_back_nonsense,
    "reach": reach_out,
    "server": kill_server,
    "good": give_back,
}


def media_type(kind: str) -> str:
    """The media type of a kind."""
    return f"text/x-poison-{kind}"


def setting() -> str:
    """What NEARFIELD_EXTRACTORS is set to for all of them."""
    return ",".join(f"{media_type(kind)}=tests.poison:{read.__name__}" for kind, read in {**KINDS, **OTHERS}.items())
