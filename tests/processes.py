"""Real processes of the product for tests: in groups of their own, ended by pid, their logs shown on failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import RedisPair

PATIENCE_S = 90.0


def wait_until(condition: Callable[[], Any], what: str, limit_s: float = PATIENCE_S, pause_s: float = 0.05) -> Any:
    """The condition's first truthy value; fails naming ``what`` when none comes in time."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s:.0f} s: {what}")
        time.sleep(pause_s)


@dataclass
class ProductProcess:
    """One process of the product (``python -m module``) that can be killed and started again."""

    module: str
    arguments: Sequence[str]
    environment: dict[str, str]
    log: Path
    prefix: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", self.module, *self.arguments],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
            self.process.wait(30)

    def restart_if_dead(self) -> None:
        if self.process is None or self.process.poll() is not None:
            self.start()

    def tail(self) -> str:
        return self.log.read_text("utf-8", "replace")[-4000:]


@dataclass
class Product:
    """Web, worker and keeper on the test's own Redis pair and data folder, with the hash model."""

    pair: RedisPair
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "run").mkdir(parents=True, exist_ok=True)
        environment = {
            "NEARFIELD_DATA_DIR": str(self.folder / "data"),
            "NEARFIELD_LEDGER_URL": self.pair.ledger.url,
            "NEARFIELD_INDEX_URL": self.pair.index.url,
            "NEARFIELD_BIND": "127.0.0.1:0",
            "NEARFIELD_MODEL": "hash",
            "NEARFIELD_LEASE_MS": "2000",
            "NEARFIELD_KEEPER_INTERVAL_MS": "300",
            **self.settings,
        }
        self.port_file = self.folder / "run" / "port"
        self.web = self._process("web.main", ["--port-file", str(self.port_file)], environment)
        self.worker = self._process("workers.main", ["--heartbeat", str(self.folder / "run/worker")], environment)
        self.keeper = self._process("workers.keeper", ["--heartbeat", str(self.folder / "run/keeper")], environment)

        # not among ``processes``: only tests of sources start it
        self.collector = self._process(
            "workers.collector", ["--heartbeat", str(self.folder / "run/collector")], environment
        )

    def _process(self, module: str, arguments: list[str], environment: dict[str, str]) -> ProductProcess:
        return ProductProcess(module, arguments, environment, self.folder / f"{module}.log")

    @property
    def processes(self) -> tuple[ProductProcess, ...]:
        return self.web, self.worker, self.keeper

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port_file.read_text().strip()}"

    def start(self) -> None:
        for process in self.processes:
            process.start()
        wait_until(self._ready, f"web ready\n{self.web.tail()}")

    def _ready(self) -> bool:
        assert self.web.process is not None
        assert self.web.process.poll() is None, self.web.tail()
        return self.port_file.exists() and self.call("GET", "/readyz")[0] == 200

    def stop(self) -> None:
        for process in (*self.processes, self.collector):
            process.kill()

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One HTTP call: status (0 when nothing answered) and the JSON answer."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _decode(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _decode(error.read())
        except OSError:
            return 0, {}


def _decode(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"items": found}
