"""System calls that no reader needs are refused to a child: no process, no network, no change to any file.

A filter of the kernel (seccomp), set up without privileges and kept by everything that the child becomes. It is one
wall of several: where the machine has none, limits and the clearing up behind the child still hold.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import NamedTuple


class _Machine(NamedTuple):
    audit: int
    column: int


_MACHINES = {"x86_64": _Machine(0xC000003E, 0), "aarch64": _Machine(0xC00000B7, 1)}

# Numbers of the calls on x86-64 and on 64-bit ARM; None: there is no such call.
_REFUSED: tuple[tuple[str, int | None, int | None], ...] = (
    ("fork", 57, None), ("vfork", 58, None), ("execve", 59, 221), ("execveat", 322, 281), ("ptrace", 101, 117),
    ("process_vm_readv", 310, 270), ("process_vm_writev", 311, 271), ("setsid", 112, 157), ("setpgid", 109, 154),
    ("socket", 41, 198), ("socketpair", 53, 199), ("connect", 42, 203), ("bind", 49, 200), ("listen", 50, 201),
    ("accept", 43, 202), ("accept4", 288, 242), ("sendto", 44, 206), ("sendmsg", 46, 211), ("sendmmsg", 307, 269),
    ("pidfd_send_signal", 424, 424), ("pidfd_open", 434, 434), ("pidfd_getfd", 438, 438),
    ("rt_sigqueueinfo", 129, 138), ("rt_tgsigqueueinfo", 297, 240),
    ("io_uring_setup", 425, 425), ("io_uring_enter", 426, 426), ("io_uring_register", 427, 427),
    ("setrlimit", 160, 164), ("setuid", 105, 146), ("setgid", 106, 144), ("setreuid", 113, 145),
    ("setregid", 114, 143), ("setresuid", 117, 147), ("setresgid", 119, 149), ("setgroups", 116, 159),
    ("setpriority", 141, 140), ("sched_setscheduler", 144, 119), ("ioprio_set", 251, 30), ("personality", 135, 92),
    ("mount", 165, 40), ("umount2", 166, 39), ("pivot_root", 155, 41), ("chroot", 161, 51), ("unshare", 272, 97),
    ("setns", 308, 268), ("init_module", 175, 105), ("finit_module", 313, 273), ("delete_module", 176, 106),
    ("kexec_load", 246, 104), ("reboot", 169, 142), ("swapon", 167, 224), ("bpf", 321, 280),
    ("perf_event_open", 298, 241), ("userfaultfd", 323, 282), ("keyctl", 250, 219), ("add_key", 248, 217),
    ("request_key", 249, 218), ("open_by_handle_at", 304, 265), ("acct", 163, 89), ("iopl", 172, None),
    ("settimeofday", 164, 170), ("clock_settime", 227, 112), ("sethostname", 170, 161),
    ("memfd_create", 319, 279), ("shmget", 29, 194), ("semget", 64, 190), ("msgget", 68, 186), ("mq_open", 240, 180),
    ("creat", 85, None), ("truncate", 76, 45), ("rename", 82, None), ("renameat", 264, 38), ("renameat2", 316, 276),
    ("mkdir", 83, None), ("mkdirat", 258, 34), ("rmdir", 84, None), ("link", 86, None), ("linkat", 265, 37),
    ("unlink", 87, None), ("unlinkat", 263, 35), ("symlink", 88, None), ("symlinkat", 266, 36),
    ("mknod", 133, None), ("mknodat", 259, 33), ("chmod", 90, None), ("fchmod", 91, 52), ("fchmodat", 268, 53),
    ("chown", 92, None), ("lchown", 94, None), ("fchown", 93, 55), ("fchownat", 260, 54),
    ("setxattr", 188, 5), ("lsetxattr", 189, 6), ("fsetxattr", 190, 7), ("utimensat", 280, 88),
    ("fchmodat2", 452, 452), ("utime", 132, None), ("utimes", 235, None), ("futimesat", 261, None),
    ("removexattr", 197, 14), ("lremovexattr", 198, 15), ("fremovexattr", 199, 16), ("setxattrat", 463, 463),
    ("removexattrat", 466, 466), ("sched_setaffinity", 203, 122), ("sched_setattr", 314, 274),
    ("sched_setparam", 142, 118), ("inotify_init", 253, None), ("inotify_init1", 294, 26), ("fanotify_init", 300, 262),
    ("open_tree", 428, 428), ("move_mount", 429, 429), ("fsopen", 430, 430), ("mount_setattr", 442, 442),
    ("syslog", 103, 116), ("io_setup", 206, 0), ("memfd_secret", 447, 447), ("swapoff", 168, 225),
    ("adjtimex", 159, 171), ("clock_adjtime", 305, 266), ("shmctl", 31, 195), ("vhangup", 153, 58), ("sync", 162, 81),
    ("setdomainname", 171, 162),
)  # fmt: skip
# These are said not to exist: callers then take the older call, which can be looked into.
_ABSENT = (("clone3", 435), ("openat2", 437))  # the same on both
_OPEN: tuple[int | None, ...] = (2, None)
_OPENAT: tuple[int | None, ...] = (257, 56)
_FCNTL, _IOCTL = (72, 25), (16, 29)
# A descriptor can be told to send any signal to any process of this user when something arrives at it: F_SETOWN,
# F_SETSIG, F_SETOWN_EX, and FIOASYNC, FIOSETOWN, SIOCSPGRP, which are the same by another name.
_SIGNALLING = ((_FCNTL, (8, 10, 15)), (_IOCTL, (0x5452, 0x8901, 0x8902)))
_CLONE, _TGKILL, _KILL, _TKILL, _PRLIMIT = (56, 220), (234, 131), (62, 129), (200, 130), (302, 261)

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_SET_SECCOMP, _FILTER_MODE = 22, 2

_Step = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def refuse_calls(libc: ctypes.CDLL) -> bool:
    """Puts the filter on this process for good; False where there is none for this machine or kernel.

    ``PR_SET_NO_NEW_PRIVS`` must be set. Signals may be sent to the process itself only, so that it can still abort.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    steps = _steps(machine, os.getpid())
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = _Program(len(steps), code)
    return int(libc.prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0)) == 0


def _steps(machine: _Machine, own_pid: int) -> list[_Step]:
    refused = _return(_ERRNO | errno.EPERM)
    steps = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, machine.audit), refused, (_LOAD, 0, 0, _NUMBER)]
    if machine.column == 0:
        steps += [(_AT_LEAST, 0, 1, _X32), refused]
    for _, *pair in _REFUSED:
        call = pair[machine.column]
        if call is not None:
            steps += [(_EQUAL, 0, 1, call), refused]
    for _, call in _ABSENT:
        steps += [(_EQUAL, 0, 1, call), _return(_ERRNO | errno.ENOSYS)]
    for opening, argument in ((_OPEN, 1), (_OPENAT, 2)):
        call = opening[machine.column]
        if call is not None:
            steps += _when(call, [_argument(argument), (_ANY_BIT, 0, 1, _WRITING), _return(_ERRNO | errno.EACCES)])
    thread = [_argument(0), (_ANY_BIT, 1, 0, _CLONE_THREAD), refused]
    steps += _when(_CLONE[machine.column], thread)
    for signal in (_TGKILL, _KILL, _TKILL):
        steps += _when(signal[machine.column], [_argument(0), (_EQUAL, 1, 0, own_pid), refused])
    for numbers, commands in _SIGNALLING:  # the kernel looks at the lower half of a command only, and so does this
        refusals = [step for command in commands for step in ((_EQUAL, 0, 1, command), refused)]
        steps += _when(numbers[machine.column], [_argument(1), *refusals])
    looking = [_argument(2), (_EQUAL, 0, 2, 0), _argument(2, upper=True), (_EQUAL, 1, 0, 0), refused]
    steps += _when(_PRLIMIT[machine.column], looking)
    return [*steps, _return(_ALLOW)]


def _when(call: int, steps: list[_Step]) -> list[_Step]:
    """``steps`` for one call; where they come to their end without an answer the call is allowed."""
    return [(_EQUAL, 0, len(steps) + 1, call), *steps, _return(_ALLOW)]


def _argument(position: int, *, upper: bool = False) -> _Step:
    return _LOAD, 0, 0, _ARGUMENTS + 8 * position + (4 if upper else 0)


def _return(answer: int) -> _Step:
    return _RETURN, 0, 0, answer
