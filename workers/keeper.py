"""The keeper's process: ``python -m workers.keeper --heartbeat PATH``. A loop of sweeps; no model, no queue."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from redis.exceptions import RedisError

from services.audit.audit import Instance
from services.audit.running import RunningAudit
from services.errors import NearfieldError, SettingsError, Unavailable
from services.index.clearing import IndexClearing
from services.ledger.erasing import Erasing
from services.ledger.keeper import Keeper, KeeperOptions, SweepReport
from services.logs import configure_logging
from services.redis_clients import KEEPER, require_two_servers
from services.settings import Settings, load_settings
from services.wiring import build_services
from workers.app import make_app
from workers.doorbell import CeleryDoorbell
from workers.heartbeat import Heartbeat
from workers.process import run_to_the_end

log = logging.getLogger("nearfield.keeper")

ORPHAN_PATIENCE_MS = 60_000
ORPHAN_LEASES = 4
"""A document that the ledger does not know is looked at twice, further apart than any worker can hold a lease."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Keeps until SIGTERM or SIGINT; 2 when a setting keeps it from starting."""
    parser = argparse.ArgumentParser(prog="python -m workers.keeper", description="The keeper of Nearfield.")
    parser.add_argument("--heartbeat", type=Path, help="file to write signs of life to, every second")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load_settings()
        configure_logging(settings)
        keeper = build_keeper(settings)
    except NearfieldError as error:
        print(f"nearfield keeper: {error.message}", file=sys.stderr)  # noqa: T201 - before or beside any log
        return 2
    heartbeat = Heartbeat(options.heartbeat)
    heartbeat.start()
    try:
        keep(keeper, heartbeat, stop, pause_s=settings.keeper_interval_ms / 1000)
    finally:
        heartbeat.close()
    return 0


def build_keeper(settings: Settings) -> Keeper:
    """The keeper over the settings' two servers.

    Raises:
        SettingsError: they are not set, or are one server.
    """
    if settings.ledger_url is None or settings.index_url is None:
        raise SettingsError(
            "NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL are not set; `nearfield up` starts everything together"
        )
    try:
        require_two_servers(settings.ledger_url, settings.index_url)
    except RedisError as error:
        log.warning("a Redis does not answer yet (%s); going on", type(error).__name__)
    doorbell = CeleryDoorbell(make_app(settings.ledger_url, "nearfield-keeper"))
    services = build_services(settings, doorbell=doorbell, profile=KEEPER)
    clearing = IndexClearing(services.index_client)
    patience_ms = max(ORPHAN_PATIENCE_MS, ORPHAN_LEASES * settings.lease_ms)
    looked_at = Instance(
        ledger=services.ledger,
        index=services.index,
        clearing=clearing,
        envelopes=services.envelopes,
        descriptions=services.descriptions,
        extracted=settings.data_dir / "extracted",
    )
    return Keeper(
        ledger=services.ledger,
        envelopes=services.envelopes,
        index=services.index,
        index_client=services.index_client,
        collections=services.collections,
        doorbell=doorbell,
        options=KeeperOptions(orphan_patience_ms=patience_ms),
        erasing=Erasing(services.ledger, services.index, clearing),
        trainings=services.trainings,
        checks=RunningAudit(looked_at, gone=services.collections.deleted_ids, patience_s=patience_ms / 1000),
    )


def keep(keeper: Keeper, heartbeat: Heartbeat, stop: threading.Event, *, pause_s: float) -> None:
    """Sweeps until ``stop`` is set. A Redis that is away is told once, and once when it is back."""
    trouble = ""
    while not stop.is_set():
        try:
            with heartbeat.working():
                report = keeper.sweep()
            now = report.disagreement or ("the index does not answer" if report.index_away else "")
            _tell(report)
        except (Unavailable, RedisError) as error:
            now = f"the ledger does not answer ({type(error).__name__})"
        if now != trouble:
            log.warning("%s", now) if now else log.info("all is well again")
            trouble = now
        stop.wait(pause_s)


def _tell(report: SweepReport) -> None:
    """Logs a sweep in which something happened, and what a round of the running audit found."""
    for words in report.findings:
        log.warning("audit: %s; `nearfield audit` says more", words)
    happened = {
        "leases ended": report.leases_ended,
        "documents failed": report.documents_failed,
        "bells rung": len(report.rung),
        "indexes created": report.indexes_created,
        "orphans removed": report.orphans_removed,
        "requeued": report.compared.requeued,
    }
    if any(happened.values()):
        log.info("%s", ", ".join(f"{what}: {count}" for what, count in happened.items() if count))


if __name__ == "__main__":
    run_to_the_end(main)
