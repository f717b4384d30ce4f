"""Many large uploads at once: what they are answered, how long that takes, and how much memory web and worker need.

``python -m bench.uploads`` starts an instance of its own with the hash model, sends ``--uploads`` files of
``--megabytes`` at the same moment, each over a connection of its own, and prints one JSON object. Memory is each
process's own share (Pss of it and its children), looked at ten times a second from idle until ``--after`` seconds after
the last answer, when the worker is busy with what was taken. What is refused with 503 or 429 is not sent again. At most
300 MB above idle is the aim, no answer missing, and no temporary file outside of the data folder. With ``--bulk`` it
sends one body of documents, one per line, of as many megabytes instead.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from bench.quality import running_instance
from cli.client import ApiClient

COLLECTION = "bench"
ROLES = {"web.main": "web", "workers.main": "worker"}
LOOK_S = 0.1
LIMIT_S = 300.0
MB = 1_000_000
AIM_MB = 300
BOUNDARY = b"bench-uploads"
ROW_WORDS = 300


def main() -> None:
    """Runs it and prints its figures; exit status 1 when an aim was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.uploads", description=__doc__)
    parser.add_argument("--uploads", type=int, default=200, help="uploads at once")
    parser.add_argument("--megabytes", type=int, default=10, help="size of each")
    parser.add_argument("--bulk", type=int, default=0, help="megabytes of one body of lines, instead of files")
    parser.add_argument("--after", type=float, default=20.0, help="seconds to look on after the last answer")
    options = parser.parse_args()
    os.environ |= {"NEARFIELD_MODEL": "hash", "NEARFIELD_DEMO": "false"}
    with running_instance() as url, ApiClient(url) as api:
        api.create_collection({"name": COLLECTION})
        _send(url, 0, MB)  # opens what stays open
        time.sleep(5)
        if options.bulk:
            figures = measure_bulk(url, options.bulk * MB, options.after)
        else:
            figures = measure(url, options.uploads, options.megabytes * MB, options.after)
    print(json.dumps(figures))
    sys.exit(0 if figures["aims_met"] else 1)


@dataclass(slots=True)
class Watch:
    """Looks at processes in a thread."""

    pids: dict[str, int]
    idle: dict[str, int] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Looks until stopped; the first look is what idle means."""
        while not self._stop.wait(LOOK_S):
            for role, pid in self.pids.items():
                held = sum(_share(one) for one in [pid, *_descendants(pid)])
                self.idle.setdefault(role, held)
                self.peak[role] = max(self.peak.get(role, 0), held)
            self.elsewhere |= set(_temporary_elsewhere(self.pids["web"]))

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()


@contextmanager
def watching(after_s: float) -> Iterator[Watch]:
    """Looks at web and worker for a second before, meanwhile, and for ``after_s`` afterwards."""
    watch = Watch(_processes())
    watcher = threading.Thread(target=watch.run)
    watcher.start()
    time.sleep(1)
    try:
        yield watch
        time.sleep(after_s)
    finally:
        watch.stop()
        watcher.join(10)


def measure(url: str, uploads: int, size: int, after_s: float) -> dict[str, object]:
    """Sends all files at once and tells what came of it."""
    answers: list[tuple[int, bool, float]] = [(0, False, 0.0)] * uploads
    together = threading.Barrier(uploads)

    def upload(number: int) -> None:
        together.wait(LIMIT_S)
        began = time.monotonic()
        status, retry_after = _send(url, number + 1, size)
        answers[number] = (status, retry_after, time.monotonic() - began)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(uploads)]
    with watching(after_s) as watch:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT_S)
    statuses = Counter(status for status, _, _ in answers)
    refused = [retry for status, retry, _ in answers if status not in (0, 202)]
    return {
        "uploads": uploads,
        "megabytes_each": size // MB,
        "answers": {str(status): count for status, count in sorted(statuses.items())},
        "no_answer": statuses[0],
        "refused_without_retry_after": refused.count(False),
        "slowest_answer_s": round(max(seconds for _, _, seconds in answers), 1),
        **_memory(watch),
        "aims_met": statuses[0] == 0 and _is_modest(watch),
    }


def measure_bulk(url: str, size: int, after_s: float) -> dict[str, object]:
    """Sends one body of lines and tells what came of it."""
    began = time.monotonic()
    with watching(after_s) as watch:
        request = _head(url, "documents", "application/x-ndjson", size)
        received = _talk(url, request, _rows(size))
        seconds = time.monotonic() - began - 1
    found = [line for line in received.splitlines() if line.startswith(b'{"done"')]  # between them stand chunk sizes
    end = json.loads(found[-1]) if found else {}
    lines = received.count(b'"outcome"')
    return {
        "bulk_megabytes": size // MB,
        "lines_answered": lines,
        "accepted": end.get("accepted"),
        "done": end.get("done"),
        "seconds": round(seconds, 1),
        **_memory(watch),
        "aims_met": bool(end.get("done")) and _is_modest(watch),
    }


def _memory(watch: Watch) -> dict[str, object]:
    return {
        "idle_mb": {role: round(held / MB) for role, held in watch.idle.items()},
        "peak_above_idle_mb": {role: round((watch.peak[role] - watch.idle[role]) / MB) for role in watch.idle},
        "aim_mb": AIM_MB,
        "files_elsewhere": sorted(watch.elsewhere),
    }


def _is_modest(watch: Watch) -> bool:
    return not watch.elsewhere and all(watch.peak[role] - watch.idle[role] <= AIM_MB * MB for role in watch.idle)


def _send(url: str, number: int, size: int) -> tuple[int, bool]:
    """Uploads one file of NDJSON; its status (0: no answer) and whether Retry-After came with it."""
    head = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%d.ndjson"\r\n\r\n' % (BOUNDARY, number)
    tail = b"\r\n--%s--\r\n" % BOUNDARY
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    request = _head(url, "files", kind, len(head) + size + len(tail))
    received = _talk(url, request, chain([head], _rows(size), [tail]))
    answer_head = received.partition(b"\r\n\r\n")[0]
    status = int(answer_head.split()[1]) if answer_head else 0
    return status, b"\nretry-after:" in answer_head.lower()


def _head(url: str, route: str, kind: str, length: int) -> bytes:
    return (
        f"POST /api/v1/collections/{COLLECTION}/{route} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Connection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _talk(url: str, request: bytes, blocks: Iterable[bytes]) -> bytes:
    """Sends a request and reads what comes until the server closes; what came so far when it breaks off."""
    address = urlsplit(url)
    received = bytearray()
    with closing(socket.create_connection((address.hostname, address.port), timeout=LIMIT_S)) as connection:
        try:
            connection.sendall(request)
            for block in blocks:
                connection.sendall(block)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused and closed; the answer may be there
        try:
            while part := connection.recv(65536):
                received += part
        except OSError:
            pass
    return bytes(received)


def _rows(size: int) -> Iterator[bytes]:
    """Lines of documents, ``size`` bytes of them; the same for every file, whose rows are other documents all the same.

    Made once: what the sender spends on texts would be missed by the server on the same machine.
    """
    left = size
    while left > 0:
        yield _BLOCK[:left]
        left -= len(_BLOCK)


def _line(row: int) -> bytes:
    text = " ".join(f"w{(row * 31 + word) % 5000}" for word in range(ROW_WORDS))
    return json.dumps({"text": text}).encode() + b"\n"


_BLOCK = b"".join(_line(row) for row in range(256))


def _processes() -> dict[str, int]:
    """Web and worker of the instance, which are grandchildren of this process.

    Raises:
        SystemExit: one of them is not there.
    """
    found = {}
    for pid in _descendants(os.getpid()):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        for module, role in ROLES.items():
            if module.encode() in command:
                found[role] = pid
    if len(found) < len(ROLES):
        sys.exit(f"of web and worker only {sorted(found)} were found")
    return found


def _descendants(pid: int) -> list[int]:
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text("ascii").split():
                found += [int(child), *_descendants(int(child))]
    except OSError:  # it has ended meanwhile
        pass
    return found


def _share(pid: int) -> int:
    """Pss of a process, bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _temporary_elsewhere(pid: int) -> Iterator[str]:
    """Folders outside of the data folder in which a process has a nameless or removed file open."""
    try:
        links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return
    for link in links:
        folder = str(Path(link).parent)
        if link.endswith("(deleted)") and not link.startswith(("/memfd", "/dev/shm")) and "/incoming" not in folder:
            yield folder


if __name__ == "__main__":
    main()
