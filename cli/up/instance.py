"""``nearfield up`` from the lock on the data folder to the last goodbye."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cli.up import embedded
from cli.up.address import browser_url, check_free, is_loopback
from cli.up.child import Child, ChildSpec
from cli.up.damage import damaged_store, require_finished_rebuild, speaks_of_damage
from cli.up.folder import DataFolder
from cli.up.probe import ReadyProbe, read_port
from cli.up.redis_server import find_redis
from cli.up.run_record import RunRecord, take_lock, write_run
from cli.up.screen import Screen
from cli.up.supervisor import StopRequested, Supervisor
from services.demo.marker import read_marker
from services.errors import NearfieldError, Unavailable
from services.settings import Settings, split_bind

REDIS_START_LIMIT_S = 300.0  # an index of a million chunks is rebuilt while it loads
WEB_START_LIMIT_S = 300.0
_CODE_ROOT = Path(__file__).resolve().parents[2]
# -P: a folder called "web" where the user happens to stand must not be taken for ours
_PYTHON = (sys.executable, "-P", "-m")
_DEMO_NICENESS = 5


def run(settings: Settings, screen: Screen, version: str, *, watch: Sequence[str] = ()) -> None:
    """Runs the product on ``settings.data_dir`` until a stop signal comes.

    Args:
        watch: folders to be followed from now on; the settings allow them.

    Raises:
        NearfieldError: it could not be started; everything that was, is stopped again.
    """
    folder = DataFolder(settings.data_dir.expanduser().absolute())
    folder.prepare()
    lock = take_lock(folder, screen.waiting_for_previous)
    try:
        host, port = split_bind(settings.bind)
        if port:
            check_free(host, port)
        Instance(folder, settings, screen, lock, watch).run(version)
    finally:
        os.close(lock)


class Instance:
    """One run of the product: what is started, in which order, and the record of it."""

    def __init__(
        self, folder: DataFolder, settings: Settings, screen: Screen, lock: int, watch: Sequence[str] = ()
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._screen = screen
        self._host, self._port = split_bind(settings.bind)
        self._watch = tuple(watch)
        self._url = ""
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._runtime = embedded.make_runtime_folder()
        self._supervisor = Supervisor(
            folder, screen, environment=_child_environment(folder, settings), lock=lock, changed=self._record
        )

    def run(self, version: str) -> None:
        """Starts everything, stays until a stop signal, and stops everything, also after an error."""
        self._supervisor.listen_to_signals()
        self._screen.hello(version, self._folder.root, self._folder.logs)
        try:
            self._start()
            self._supervisor.run_until_stopped()
        except StopRequested:
            pass
        finally:
            self._screen.stopping()
            killed = self._supervisor.stop_all()
            self._supervisor.close()
            embedded.remove_runtime_folder(self._runtime)
            self._folder.run_file.unlink(missing_ok=True)
            self._screen.stopped(killed)

    def _start(self) -> None:
        stores = self._start_stores()
        port_file = self._folder.run / "port"
        port_file.unlink(missing_ok=True)
        web = self._add("web", "web.main", "--port-file", str(port_file))
        beat = self._folder.run / "worker-1.heartbeat"
        self._add("worker", "workers.main", "--heartbeat", str(beat), beat=beat)
        if stores:
            self._wait_for_store(*stores[1])
            self._screen.up(["redis"], "ledger and index are up")
        self._supervisor.wait_for(
            lambda: read_port(port_file) is not None, what="web", limit_s=WEB_START_LIMIT_S, essential=[web]
        )
        beat = self._folder.run / "keeper.heartbeat"  # not before: nothing is in a hurry for it, and imports cost
        self._add("keeper", "workers.keeper", "--heartbeat", str(beat), beat=beat)
        beat = self._folder.run / "collector.heartbeat"
        self._add("collector", "workers.collector", "--heartbeat", str(beat), beat=beat)
        self._listening(read_port(port_file) or self._port)

    def _start_stores(self) -> list[tuple[embedded.EmbeddedServer, Child]]:
        """Starts the embedded servers (none when the settings name others) and waits for the ledger.

        The index is not waited for here: it makes its graphs anew while it loads, and in that time the others import
        their libraries. They wait for it by themselves.
        """
        given = self._settings.ledger_url, self._settings.index_url
        if given[0] and given[1]:
            check_given_servers(given[0], given[1])
            return []
        require_finished_rebuild(self._folder)
        program = find_redis()
        ledger, index = embedded.embedded_servers(self._settings, self._runtime, self._folder.password())
        stores = [(server, self._supervisor.add(server.spec(program, self._folder))) for server in (ledger, index)]
        self._supervisor.set_environment(NEARFIELD_LEDGER_URL=ledger.url, NEARFIELD_INDEX_URL=index.url)
        self._wait_for_store(*stores[0])
        return stores

    def _wait_for_store(self, server: embedded.EmbeddedServer, child: Child) -> None:
        try:
            self._supervisor.wait_for(
                lambda: embedded.is_up(server), what=child.spec.name, limit_s=REDIS_START_LIMIT_S, essential=[child]
            )
        except NearfieldError as error:
            if speaks_of_damage(child.tail()):
                raise damaged_store(server.role.name, self._folder, child.tail()) from error
            raise

    def _add(self, name: str, module: str, *arguments: str, beat: Path | None = None, nice: int = 0) -> Child:
        command = (*_PYTHON, module, *arguments)
        return self._supervisor.add(ChildSpec(name=name, command=command, heartbeat=beat, niceness=nice))

    def _listening(self, port: int) -> None:
        self._url = browser_url(self._host, port)
        # a web server that is started again must come back on the port that people have open
        bind = f"[{self._host}]:{port}" if ":" in self._host else f"{self._host}:{port}"
        self._supervisor.set_environment(NEARFIELD_BIND=bind, NEARFIELD_URL=self._url)
        self._record()
        demo = self._settings.demo and not read_marker(self._folder.demo_marker).settled
        self._screen.up(["web"], "listening")
        if not is_loopback(self._host):
            self._screen.public(self._host)
        self._screen.listening(self._url, demo=demo)
        if demo:
            self._supervisor.add(self._demo_spec())
        for number, folder in enumerate(self._watch, start=1):
            command = (*_PYTHON, "cli.main", "source", "add", folder)
            self._supervisor.add(ChildSpec(name=f"watch-{number}", command=command, oneshot=True))
        probe = ReadyProbe(self._url)
        self._supervisor.wait_for(probe.ready, what="search", limit_s=float("inf"), poll_s=0.1)
        self._screen.ready(self._url)

    def _demo_spec(self) -> ChildSpec:
        command = (*_PYTHON, "cli.main", "demo", "--marker", str(self._folder.demo_marker))
        return ChildSpec(name="demo", command=command, niceness=_DEMO_NICENESS, oneshot=True)

    def _record(self) -> None:
        write_run(
            self._folder.run_file,
            RunRecord.of_this_process(self._started, self._url, self._runtime, self._supervisor.records()),
        )


def _child_environment(folder: DataFolder, settings: Settings) -> dict[str, str]:
    """What children inherit: ours, the decisions of the command line, and where the code lies."""
    path = [str(_CODE_ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(part for part in path if part),
        "PYTHONUNBUFFERED": "1",
        "NEARFIELD_DATA_DIR": str(folder.root),
        "NEARFIELD_BIND": settings.bind,
        "NEARFIELD_SOURCE_FOLDERS": settings.source_folders,
    }


def check_given_servers(ledger_url: str, index_url: str) -> None:
    """Whether the servers that the settings name can be used.

    Raises:
        SettingsError: they are one server, or the index is not database 0.
        Unavailable: one does not answer.
    """
    from redis.exceptions import RedisError

    from services.redis_clients import require_two_servers

    try:
        require_two_servers(ledger_url, index_url)
    except RedisError as error:
        raise Unavailable(
            f"a Redis named by NEARFIELD_LEDGER_URL or NEARFIELD_INDEX_URL does not answer: {error}. "
            "Start it or correct the URL; unset both to use the embedded servers",
            code="redis-unreachable",
        ) from error
