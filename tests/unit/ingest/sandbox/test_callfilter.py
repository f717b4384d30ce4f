"""What the kernel answers a child with all its walls: a process of its own that tries each deed once."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

from services.ingest.sandbox import callfilter

pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no filter for this machine")

_TRY = """
import ctypes, errno, fcntl, json, os, signal, socket, struct, sys
from services.ingest.sandbox import callfilter, confine
libc = confine.system()
reading, writing = os.pipe()
left, _ = socket.socketpair()
place = "%s"
named = {name: numbers[callfilter._MACHINES[os.uname().machine].column] for name, *numbers in callfilter._REFUSED}
confine.give_up_privileges(libc)
if place == "filtered":
    assert callfilter.refuse_calls(libc)

def call(name, *arguments):
    ctypes.set_errno(0)
    return libc.syscall(ctypes.c_long(named[name]), *arguments) < 0 and errno.errorcode[ctypes.get_errno()]

def deed(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return False

parent, path, mask = os.getppid(), b"/dev/null/none", ctypes.create_string_buffer(128)
print(json.dumps({
    "owner": deed(fcntl.fcntl, left, fcntl.F_SETOWN, parent),
    "owner and high bits": libc.syscall(
        ctypes.c_long(callfilter._FCNTL[0 if os.uname().machine == "x86_64" else 1]),
        left.fileno(), ctypes.c_long(fcntl.F_SETOWN | 1 << 32), parent) < 0 and errno.errorcode[ctypes.get_errno()],
    "extended owner": deed(fcntl.fcntl, left, 15, struct.pack("=ii", 1, parent)),
    "signal": deed(fcntl.fcntl, left, 10, signal.SIGKILL),
    "async": deed(fcntl.ioctl, left, 0x5452, struct.pack("=i", 1)),
    "ioctl owner": deed(fcntl.ioctl, left, 0x8901, struct.pack("=i", parent)),
    "ioctl group": deed(fcntl.ioctl, left, 0x8902, struct.pack("=i", parent)),
    "flags": deed(fcntl.fcntl, reading, fcntl.F_SETFL, os.O_NONBLOCK),
    "length": deed(fcntl.ioctl, reading, 0x541B, b"0000"),
    "affinity": call("sched_setaffinity", parent, 128, b"\\xff" * 128),
    "modes": call("fchmodat2", -100, path, 0o600, 0),
    "times": call("utimensat", -100, path, None, 0),
    "watch": call("inotify_init1", 0),
    "sync": call("sync"),
    "attribute": call("removexattr", path, b"user.a"),
}))
"""


def tried(place: str) -> dict[str, str | bool]:
    code = _TRY.replace("%s", place)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answers: dict[str, str | bool] = json.loads(done.stdout)
    return answers


def test_no_signal_can_be_ordered_and_nothing_changed() -> None:
    answers = tried("filtered")
    allowed = {name: answers.pop(name) for name in ("flags", "length")}
    assert allowed == {"flags": False, "length": False}, "other commands of fcntl and ioctl are needed"
    assert set(answers.values()) == {"EPERM"}, answers


def test_the_deeds_work_without_the_filter() -> None:
    """So that the test above is worth something: what the kernel itself refuses it refuses with another error."""
    answers = tried("free")
    assert "EPERM" not in answers.values(), answers
    assert {name for name in answers if not answers[name]} >= {"owner", "extended owner", "signal", "async", "affinity"}


def test_every_call_is_named_once() -> None:
    for column in (1, 2):
        numbers = [row[column] for row in callfilter._REFUSED if row[column] is not None]
        assert len(numbers) == len(set(numbers))
    assert len({name for name, *_ in callfilter._REFUSED}) == len(callfilter._REFUSED)
