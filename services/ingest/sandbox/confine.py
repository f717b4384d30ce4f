"""What a child gives up before it looks at its document."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

from services.ingest.sandbox.callfilter import refuse_calls
from services.ingest.sandbox.limits import SandboxLimits

INPUT, OUTPUT, PROGRESS = 3, 4, 5
"""The only descriptors of a child, beside the first three, which lead nowhere."""

_PARENT_DEATH, _NO_NEW_PRIVILEGES, _SUBREAPER, _DUMPABLE = 1, 38, 36, 4
_NEW_NETWORK = 0x40000000
_DESCRIPTORS = 4096  # the server has a dozen


def system() -> ctypes.CDLL:
    """The C library; loaded once by the server, before it forks."""
    return ctypes.CDLL(None, use_errno=True)


def adopt_strays(libc: ctypes.CDLL) -> None:
    """Makes this process the parent of every descendant that loses its own, so that none gets away."""
    libc.prctl(_SUBREAPER, 1, 0, 0, 0)


def leave_network(libc: ctypes.CDLL) -> bool:
    """An empty network for this process and its children; False where that is not allowed. Once: 3 ms."""
    return int(libc.unshare(_NEW_NETWORK)) == 0


def give_up_privileges(libc: ctypes.CDLL) -> None:
    """No program that this process may become has more rights than it; walls can be put up without being root."""
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def confine(libc: ctypes.CDLL, limits: SandboxLimits, *, parent: int, input: int, output: int, progress: int) -> None:
    """Turns a fresh fork into a child that can read its document, write its result, and little else.

    Args:
        parent: the server's process id; the child ends when that does.
        input, output, progress: descriptors, which become ``INPUT``, ``OUTPUT`` and ``PROGRESS``.
    """
    os.setsid()
    libc.prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    _keep_only(input, output, progress)
    give_up_privileges(libc)
    libc.prctl(_DUMPABLE, 0, 0, 0, 0)  # no other process of this user may look into it
    _set_limits(limits)
    if limits.filter_calls:
        refuse_calls(libc)


def _keep_only(*descriptors: int) -> None:
    """Moves descriptors to 3, 4, ...; closes all others and leads 0, 1 and 2 nowhere."""
    above = [os.dup2(kept, 100 + place, inheritable=False) for place, kept in enumerate(descriptors)]
    for place, kept in enumerate(above):
        os.dup2(kept, 3 + place, inheritable=False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.closerange(3 + len(descriptors), _DESCRIPTORS)


def _set_limits(limits: SandboxLimits) -> None:
    wanted = {
        resource.RLIMIT_AS: (limits.memory_bytes, limits.memory_bytes),
        resource.RLIMIT_CPU: (limits.cpu_s, limits.cpu_s + 2),
        resource.RLIMIT_FSIZE: (limits.output_bytes, limits.output_bytes),
        resource.RLIMIT_NOFILE: (limits.open_files, limits.open_files),
        resource.RLIMIT_CORE: (0, 0),
    }
    for what, (soft, hard) in wanted.items():
        most = resource.getrlimit(what)[1]
        bound = hard if most == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(what, (min(soft, bound), bound))
