"""``nearfield up`` as tests start it: a process of its own, with the hash model, its events read as JSON lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from cli.up.proc import ProcessId, identify, is_running
from cli.up.run_record import read_run
from tests.processes import wait_until


class UpProcess:
    """One ``nearfield up``.

    Args:
        data: the data folder.
        arguments: further arguments of the command.
        settings: further ``NEARFIELD_*`` variables.
    """

    def __init__(self, data: Path, *arguments: str, settings: dict[str, str] | None = None) -> None:
        self.data = data
        self.output = data.with_name(data.name + ".events")
        self.family: set[ProcessId] = set()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "up", "--data-dir", str(data), "--json", *arguments],
                env={**os.environ, "NEARFIELD_MODEL": "hash", **(settings or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind so far."""
        lines = [line for line in self.output.read_text("utf-8").splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event.get("event") == kind]

    def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The nth event of a kind, waited for; remembers the children that are there by then."""

        def seen() -> dict[str, Any] | None:
            found = self.events(kind)
            assert len(found) >= count or self.process.poll() is None, self.everything()
            return found[count - 1] if len(found) >= count else None

        event: dict[str, Any] = wait_until(seen, f"event {kind!r} of nearfield up")
        self.family |= set(self.children().values())
        return event

    def ready(self) -> str:
        """The URL, once searches are answered."""
        return str(self.wait_for("ready")["url"])

    def children(self) -> dict[str, ProcessId]:
        """The running children by name, from ``run.json``."""
        record = read_run(self.data / "run.json")
        return {child.name: ProcessId(child.pid, child.start_ticks) for child in record.children} if record else {}

    def child(self, name: str) -> ProcessId:
        """A child that runs now, waited for."""

        def running() -> ProcessId | None:
            found = self.children().get(name)
            return found if found is not None and is_running(found) else None

        child: ProcessId = wait_until(running, f"{name} running\n{self.everything()}")
        self.family.add(child)
        return child

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks it to stop; its exit status."""
        self.family |= set(self.children().values())
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def kill(self) -> None:
        """Kill -9 of the supervisor alone."""
        self.family |= set(self.children().values())
        self.process.kill()
        self.process.wait(30)

    def orphans(self) -> list[ProcessId]:
        """Children seen so far that still run."""
        return [child for child in self.family if is_running(child)]

    def finish(self) -> None:
        """For finalisers: ends everything, whatever happened."""
        if self.process.poll() is None:
            self.stop()
        for child in self.orphans():
            if identify(child.pid) == child:
                os.killpg(child.pid, signal.SIGKILL)

    def everything(self) -> str:
        """What it and its children said, for a failed test."""
        logs = [f"== {log.name}\n{log.read_text('utf-8', 'replace')[-2000:]}" for log in self.data.glob("logs/*.log")]
        return "\n".join([self.output.read_text("utf-8")[-4000:], *logs])


def run_cli(url: str, *arguments: str) -> tuple[int, Any, str]:
    """A command with ``--json`` against an instance: exit code, decoded output (None without), stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, "--json"],
        env={**os.environ, "NEARFIELD_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr
