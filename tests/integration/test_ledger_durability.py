"""The order of an accept as the kernel sees it: kill -9 proves nothing about fsync, the system calls do."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.ledger.ledger import Ledger
from services.redis_clients import Client
from tests.conftest import RedisPair

ACCEPT_ONE = """
import sys
from pathlib import Path
from services.ledger.envelopes import EnvelopeStore
from services.ledger.ledger import Ledger
from services.redis_clients import Client
from services.ledger.values import AcceptRequest, DocumentKind, NewDocument
from services.redis_clients import BULK, connect

ledger = Ledger(connect(sys.argv[1], BULK), EnvelopeStore(Path(sys.argv[2])))
document = NewDocument(id="a", kind=DocumentKind.TEXT, body=b"needle-in-the-trace", full_hash="h")
ledger.accept(AcceptRequest("abcdefghijkm", (document,)))
print("accepted", flush=True)
"""


@pytest.fixture
def strace() -> str:
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    if subprocess.run([path, "-o", "/dev/null", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    return path


def test_write_fsync_rename_fsync_of_the_folder_then_the_ledger_then_the_answer(
    redis_pair: RedisPair, tmp_path: Path, strace: str
) -> None:
    trace = tmp_path / "trace"
    calls = "trace=openat,write,fsync,rename,renameat2,sendto,sendmsg"
    program = [sys.executable, "-c", ACCEPT_ONE, redis_pair.ledger.url, str(tmp_path / "accepted")]
    subprocess.run(
        [strace, "-f", "-s", "200000", "-e", calls, "-o", str(trace), *program],
        check=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )
    lines = trace.read_text("utf-8", errors="replace").splitlines()

    def first(pattern: str, after: int = 0) -> int:
        found = [number for number, line in enumerate(lines) if number > after and re.search(pattern, line)]
        assert found, f"no call matches {pattern}"
        return found[0]

    def descriptor(line: str) -> str:
        return line.rpartition("= ")[2].strip()

    opened = first(r'openat\(.*\.tmp".*O_EXCL')
    file = descriptor(lines[opened])
    written = first(rf"write\({file}, .*needle-in-the-trace", opened)
    synced = first(rf"fsync\({file}\) += 0", written)
    renamed = first(r"rename.*\.tmp.*\.nfe", synced)
    folder_opened = first(r"openat\(.*accepted/[0-9a-f]{2}\", .*O_DIRECTORY", renamed)
    folder_synced = first(rf"fsync\({descriptor(lines[folder_opened])}\) += 0", folder_opened)
    name = re.findall(r"(\d{16}-[0-9a-f]{16})\.nfe", lines[renamed])[0]
    sent = first(rf"send(to|msg)\(.*{name}", folder_synced)
    first(r'write\(1, "accepted', sent)
    assert not any(name in line and "send" in line for line in lines[:folder_synced])


def test_the_ledger_fsyncs_what_it_accepts(ledger_client: Client) -> None:
    """The other half of the promise stands in the server's configuration."""
    assert ledger_client.config_get("appendfsync")["appendfsync"] == "always"


def test_no_clock_but_the_servers_is_asked() -> None:
    """Leases, generations, pauses and ages go by Redis TIME; a machine whose clock is wrong does no harm."""
    folder = Path(sys.modules[Ledger.__module__].__file__ or "").parent
    for path in folder.glob("*.py"):
        source = path.read_text("utf-8")
        assert not re.search(r"time\.time|datetime|monotonic_ns|st_mtime|getmtime", source), path.name
    for path in folder.glob("lua/*.lua"):
        assert "os.time" not in path.read_text("utf-8")
