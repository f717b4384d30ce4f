"""The collector's process: ``python -m workers.collector --heartbeat PATH``. It follows sources; no model, no queue."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from redis.exceptions import RedisError

from services.errors import NearfieldError, SettingsError
from services.logs import configure_logging
from services.redis_clients import BULK
from services.settings import Settings, load_settings
from services.sources.collector import Collector
from services.sources.fetch.fetcher import Fetcher
from services.sources.fetch.values import FetchLimits
from services.sources.folder import folder_roots
from services.sources.follow_folder import FolderRules
from services.sources.following import Means
from services.wiring import build_services
from workers.app import make_app
from workers.doorbell import CeleryDoorbell
from workers.heartbeat import Heartbeat
from workers.process import run_to_the_end

log = logging.getLogger("nearfield.collector")

PAUSE_S = 0.5
SPOOL = "incoming"  # below the data folder: pages and files on their way in, nameless there


def main(arguments: Sequence[str] | None = None) -> int:
    """Follows sources until SIGTERM or SIGINT; 2 when a setting keeps it from starting."""
    parser = argparse.ArgumentParser(prog="python -m workers.collector", description="The collector of Nearfield.")
    parser.add_argument("--heartbeat", type=Path, help="file to write signs of life to, every second")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    heartbeat = Heartbeat(options.heartbeat)
    try:
        settings = load_settings()
        configure_logging(settings)
        collector = build_collector(settings, heartbeat)
    except NearfieldError as error:
        print(f"nearfield collector: {error.message}", file=sys.stderr)  # noqa: T201 - before or beside any log
        return 2
    heartbeat.start()
    try:
        collect(collector, heartbeat, stop)
    finally:
        collector.close()
        heartbeat.close()
    return 0


def build_collector(settings: Settings, heartbeat: Heartbeat) -> Collector:
    """The collector over the settings' servers and folders.

    Raises:
        SettingsError: the servers are not set.
    """
    if settings.ledger_url is None:
        raise SettingsError(
            "NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL are not set; `nearfield up` starts everything together"
        )
    doorbell = CeleryDoorbell(make_app(settings.ledger_url, "nearfield-collector"))
    services = build_services(settings, doorbell=doorbell, profile=BULK)
    spool = settings.data_dir / SPOOL
    means = Means(
        store=services.sources,
        collections=services.collections,
        acceptor=services.acceptor,
        ledger=services.ledger,
        fetcher=Fetcher(spool, FetchLimits.of(settings)),
        folders=FolderRules(folder_roots(settings.source_folders), settings.data_dir, spool, settings.max_body_bytes),
        scan_s=settings.source_scan_s,
    )
    return Collector(means, on_progress=heartbeat.progress)


def collect(collector: Collector, heartbeat: Heartbeat, stop: threading.Event) -> None:
    """Turns until ``stop`` is set. A ledger that is away is told once, and once when it is back."""
    trouble = ""
    while not stop.is_set():
        try:
            with heartbeat.working():
                collector.turn()
            now = ""
        except (NearfieldError, RedisError) as error:
            now = f"the ledger does not answer ({type(error).__name__})"
        if now != trouble:
            log.warning("%s", now) if now else log.info("all is well again")
            trouble = now
        stop.wait(PAUSE_S)


if __name__ == "__main__":
    run_to_the_end(main)
