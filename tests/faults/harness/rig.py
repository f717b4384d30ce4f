"""The whole product under fault: processes, servers, journal, pollers, supervisor, and the faults themselves."""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.ledger.envelopes import SHARDS, EnvelopeStore
from services.ledger.ledger import Ledger
from services.redis_clients import BULK, connect
from tests.conftest import RedisPair, RunningRedis
from tests.faults.harness import figures, invariants, plan, texts
from tests.faults.harness.clocks import Clocks
from tests.faults.harness.journal import Journal, Promises, Wish, read
from tests.faults.harness.poller import Poller
from tests.faults.harness.supervisor import Supervisor
from tests.faults.harness.views import HttpView
from tests.processes import Product, ProductProcess, wait_until

NAME = "docs"
PATIENCE_S = 900.0 if plan.FULL else 240.0
REST_S = 90.0
"""Only a hang takes so long; a slow machine is no fault."""


@dataclass
class Rig:
    """One collection of a running product; ``faults`` tells what was done to it."""

    product: Product
    folder: Path
    journal: Journal
    supervisor: Supervisor
    clocks: Clocks
    pollers: list[Poller] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    # -- what a client does ------------------------------------------------------------------------------------

    def put(self, wishes: Sequence[tuple[int, int]], key: str) -> None:
        """Posts until an answer with 202 comes; the same key, so that a repetition doubles nothing."""
        named: list[Wish] = [(texts.name(number), version) for number, version in wishes]
        documents = [texts.document(number, version) for number, version in wishes]
        self._send("POST", f"/api/v1/collections/{NAME}/documents", documents, named, key)

    def delete(self, number: int, key: str) -> None:
        path = f"/api/v1/collections/{NAME}/documents/doc%2F{number}"
        self._send("DELETE", path, None, [(texts.name(number), None)], key)

    def _send(self, method: str, path: str, body: Any, wishes: Sequence[Wish], key: str) -> None:
        self.journal.attempt(key, wishes)

        def sent() -> bool:
            status, answer = self.product.call(method, path, body, {"Idempotency-Key": key})
            self.journal.answer(key, status, wishes, answer.get("documents", ()) if status == 202 else ())
            assert status in (0, 202, 429, 503, 507), (status, answer)
            return status == 202

        wait_until(sent, f"{key} accepted", limit_s=PATIENCE_S, pause_s=0.1)

    # -- how far it is -----------------------------------------------------------------------------------------

    def open_documents(self) -> int | None:
        """Documents on their way; None when nobody could say."""
        status, collection = self.product.call("GET", f"/api/v1/collections/{NAME}")
        if status != 200:
            return None
        return int(collection["documents"].get("pending", 0) + collection["documents"].get("processing", 0))

    def progress(self) -> int:
        """Accepted operations that have come to their end; -1 when nobody can say."""
        accepted = self.journal.accepted
        left = self.open_documents()
        return -1 if left is None else accepted - left

    def settle(self) -> None:
        """Waits until nothing is pending, nothing is rebuilt, and that lasts for two sweeps of the keeper."""

        def quiet() -> bool:
            for _ in range(3):
                status, collection = self.product.call("GET", f"/api/v1/collections/{NAME}")
                if status != 200 or collection["rebuilding"] is not None or self.open_documents() != 0:
                    return False
                time.sleep(0.4)
            return True

        wait_until(quiet, f"everything settled\n{self.product.worker.tail()}", limit_s=PATIENCE_S)

    # -- faults ------------------------------------------------------------------------------------------------

    def kill(self, process: ProductProcess) -> None:
        self.faults.append(f"{process.module}@{self.journal.accepted}")
        self.clocks.fault()
        process.kill()
        if process.module == "workers.main":
            self.clocks.worker_died()

    def kill_server(self, server: RunningRedis, away_s: float, before: Callable[[], None] = lambda: None) -> None:
        """Kills a server, lets ``before`` do something to its files, and starts it again."""
        self.faults.append(f"{server.role.name}@{self.journal.accepted}, {away_s:g} s")
        self.clocks.fault()
        server.kill()
        before()
        time.sleep(away_s)
        server.start()
        self.clocks.server_killed(server)

    @contextmanager
    def stopped(self, server: RunningRedis) -> Iterator[None]:
        """A server that hangs: it is stopped, not dead."""
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            server.process.send_signal(signal.SIGCONT)

    # -- watching and judging ----------------------------------------------------------------------------------

    def poll(self, count: int = 2, *, may_lose: bool = False) -> None:
        for number in range(count):
            poller = Poller(self.product, NAME, self.journal, may_lose=may_lose, name=str(number))
            self.pollers.append(poller)
            poller.start()

    def judge(self, what: str, *, may_leave: bool = False) -> Promises:
        """Settles, ends the pollers and checks everything; notes the figures under ``what``."""
        self.settle()
        for poller in self.pollers:
            poller.close()
        self.clocks.join()
        promises = read(self.journal.path)
        view = HttpView(self.product, NAME)
        try:
            invariants.check(view, promises, may_leave=may_leave)
            invariants.check_folder(view.ledger, self.folder / "data" / "accepted")
        finally:
            view.close()
        self._note(what, promises)
        wrong = [line for poller in self.pollers for line in poller.wrong]
        assert not wrong, f"{len(wrong)} polls saw something wrong: {wrong[:5]}"
        return promises

    def _note(self, what: str, promises: Promises) -> None:
        figures.put(f"{what}: documents accepted, lost", f"{len(promises.kept)}, 0 lost")
        figures.put(f"{what}: faults", len(self.faults))
        if self.pollers:
            wrong = sum(len(poller.wrong) for poller in self.pollers)
            figures.add("R4: polls at 20 Hz", sum(poller.polls for poller in self.pollers))
            figures.add("R4: duplicate or half documents seen", wrong)
            figures.put(f"{what}: documents missing for a moment", sum(poller.missing for poller in self.pollers))
            figures.put(f"{what}: deleted documents back for a moment", sum(poller.back for poller in self.pollers))
        figures.spread(f"{what}: R5 worker kill to last affected document", self.clocks.affected)
        figures.spread(f"{what}: R6 Redis answers to first good search", self.clocks.search)
        figures.spread(f"{what}: R6 Redis answers to ingestion", self.clocks.ingest)
        figures.put(f"{what}: recoveries that another fault fell into", self.clocks.disturbed)


def sweep_folder(rig: Rig) -> None:
    """I9: with the product at rest, one sweep takes every file that nothing refers to, and nothing else."""
    store = EnvelopeStore(rig.folder / "data" / "accepted")
    client = connect(rig.product.pair.ledger.url, BULK)
    try:
        ledger = Ledger(client, store)
        for shard in range(SHARDS):
            store.sweep(shard, now_us=1 << 60, condemn=ledger.condemn, older_than_s=0)
        invariants.check_folder(client, store.folder)
        assert not list(store.folder.glob("*/*.tmp")), "I9 temporary files are left"
    finally:
        client.close()


@contextmanager
def rig(pair: RedisPair, *, patient: bool = plan.FULL, settings: dict[str, str] | None = None) -> Iterator[Rig]:
    """A running product on ``pair`` with one collection, ended afterwards."""
    print(f"seed {plan.SEED}")
    folder = Path(tempfile.mkdtemp(prefix="nfr-"))
    product = Product(pair, folder, {"NEARFIELD_MODEL": plan.MODEL, **(settings or {})})
    supervisor = Supervisor(patient=patient)
    journal = Journal(folder / "journal")
    here = Rig(product, folder, journal, supervisor, Clocks(product, NAME))
    try:
        product.start()
        for process, beat in ((product.web, None), (product.worker, "worker"), (product.keeper, "keeper")):
            supervisor.add(process, folder / "run" / beat if beat else None)
        supervisor.start()
        # exact: a graph that misses a document now and then would look like a loss
        wanted = {"name": NAME, "fields": texts.FIELDS, "algorithm": "flat"}
        assert product.call("POST", "/api/v1/collections", wanted)[0] == 201
        yield here
    finally:
        for poller in here.pollers:
            poller.close()
        supervisor.close()
        product.stop()
        journal.close()
        print(f"faults: {here.faults}")
        shutil.rmtree(folder, ignore_errors=True)


class Workload(threading.Thread):
    """Posts documents in requests of different sizes, updates some, deletes some, adds some of these again."""

    def __init__(self, here: Rig, documents: int, dice: random.Random) -> None:
        super().__init__(name="workload", daemon=True)
        self._here, self._documents, self._dice = here, documents, dice
        self.failure: BaseException | None = None

    @property
    def operations(self) -> int:
        """How many operations there will be in all, about."""
        return int(self._documents * 1.3)

    def run(self) -> None:
        try:
            self._post()
        except BaseException as failure:
            self.failure = failure

    def _post(self) -> None:
        here, dice, number = self._here, self._dice, 0
        while number < self._documents:
            count = min(dice.choice((1, 5, 40)), self._documents - number)
            versions = [texts.HUGE if dice.random() < 0.003 else 1 for _ in range(count)]
            here.put([(number + place, version) for place, version in enumerate(versions)], f"new-{number}")
            number += count
            self._change(number)
        for place in range(self._documents // 10):
            here.put([(dice.randrange(self._documents), 2)], f"last-{place}")

    def _change(self, there: int) -> None:
        here, dice = self._here, self._dice
        for kind in range(3):
            if dice.random() > 0.5:
                continue
            number, key = dice.randrange(there), f"{kind}-{there}"
            if kind == 0:
                here.put([(number, dice.choice((2, 3, 5)))], f"update-{key}")
            elif texts.name(number) in here.journal.alive:
                here.delete(number, f"delete-{key}")
                if kind == 2:
                    here.put([(number, 6)], f"again-{key}")


def on_schedule(here: Rig, work: Workload, faults: Sequence[Callable[[], None]], dice: random.Random) -> None:
    """Does faults at marks of progress that the seed chooses, then waits for the end of the workload.

    In the full form two of three recoveries may come to their end before the next fault, so that they can be timed.
    """
    last = int(work.operations * 0.85)
    marks = sorted(dice.sample(range(20, max(last, 21 + len(faults))), len(faults)))
    for mark, fault in zip(marks, faults, strict=True):

        def reached(mark: int = mark) -> bool:
            return work.failure is not None or not work.is_alive() or here.progress() >= mark

        wait_until(reached, f"{mark} operations done\n{here.product.worker.tail()}", limit_s=PATIENCE_S)
        if work.failure is not None:
            break
        fault()
        if plan.FULL and dice.random() < 0.67:
            here.clocks.rest(REST_S)
    work.join(PATIENCE_S)
    assert work.failure is None, work.failure
    assert not work.is_alive(), "the workload does not come to its end"
