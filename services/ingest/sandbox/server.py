"""The fork server: ``python -m services.ingest.sandbox.server --socket N``. Every document gets a fork of it.

It has the readers loaded and nothing else: no model, no Redis, no thread. So a fork costs a few milliseconds, and there
is nothing in a child worth stealing. It ends when its worker's end of the socket is closed, and its child with it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import mimetypes
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from services.errors import NearfieldError
from services.ingest.extract import registry
from services.ingest.extract.html_main import load_library
from services.ingest.extract.language import load_model
from services.ingest.extract.plugins import parse_plugins
from services.ingest.rows.tabular import load_readers
from services.ingest.sandbox import child, confine
from services.ingest.sandbox.landlock import wall_in
from services.ingest.sandbox.messages import CANCEL, PACKET_BYTES, Hello, Task, Verdict
from services.ingest.sandbox.minding import Minder, clear_folder

BARRED = ("torch", "redis", "celery", "transformers", "sentence_transformers", "flask", "pandas")
"""Never loaded here: large, with threads of their own, or doors to what a child must not reach."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until the worker goes away."""
    parser = argparse.ArgumentParser(prog="python -m services.ingest.sandbox.server", description="Forks readers.")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of this end of the pair")
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder for children to stand in")
    parser.add_argument("--extractors", default="", help="further readers, as in NEARFIELD_EXTRACTORS")
    parser.add_argument("--no-walls", action="store_true", help="leave the file system open to children")
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the worker's stop is ours: the socket tells
    missing = _load(options.extractors)
    libc = confine.system()
    confine.adopt_strays(libc)
    confine.leave_network(libc)
    confine.give_up_privileges(libc)
    if not options.no_walls:
        wall_in(libc, options.folder)
    os.chdir(options.folder)
    gc.collect()
    libc.malloc_trim(0)
    gc.freeze()
    with socket.socket(fileno=options.socket) as control:
        control.setblocking(True)
        try:
            control.send(Hello(missing).encode())
            _serve(control, Minder(control, libc))
        except (BrokenPipeError, ConnectionResetError):
            pass
    clear_folder()
    with contextlib.suppress(OSError):
        options.folder.rmdir()
    return 0


def _load(extractors: str) -> dict[str, str]:
    """Imports every reader; returns those that cannot be, so that one missing library costs one format."""
    for name in BARRED:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails, which optional ones expect
    missing: dict[str, str] = {}
    try:
        registry.use_plugins(parse_plugins(extractors))
    except NearfieldError as error:
        missing["NEARFIELD_EXTRACTORS"] = error.message
    for media_type in registry.readable_types():
        try:
            registry.extractor_of(media_type)
        except Exception as error:  # noqa: BLE001 - a plug-in may fail in any way while it is imported
            missing[media_type] = f"{type(error).__name__}: {error}"[:300]
    load_readers()
    load_library()
    load_model()
    mimetypes.init()
    return missing


def _serve(control: socket.socket, minder: Minder) -> None:
    while True:
        packet, descriptors, _, _ = socket.recv_fds(control, PACKET_BYTES, 2)
        if not packet:
            return
        if packet == CANCEL:  # of a task that has ended meanwhile
            continue
        verdict = _run(Task.decode(packet), descriptors, minder)
        if verdict is None:
            return
        control.send(verdict.encode())


def _run(task: Task, descriptors: Sequence[int], minder: Minder) -> Verdict | None:
    """Forks for one task; None when the worker went away meanwhile."""
    ears, mouth = os.pipe()
    server = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _be_child(task, descriptors, mouth, minder, server)
    for descriptor in (*descriptors, mouth):
        os.close(descriptor)
    try:
        return minder.mind(pid, ears, task.limits)
    finally:
        os.close(ears)


def _be_child(task: Task, descriptors: Sequence[int], mouth: int, minder: Minder, server: int) -> None:
    status = 1
    try:
        source, target = descriptors
        confine.confine(minder.libc, task.limits, parent=server, input=source, output=target, progress=mouth)
        status = child.run(task)
    except MemoryError:
        status = child.NO_MEMORY
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
