"""A worker: ``python -m workers.main --heartbeat PATH``. The model is loaded before the first bell is answered."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from redis.exceptions import RedisError

from services.errors import ModelError, NearfieldError, SettingsError, Unavailable
from services.logs import configure_logging
from services.redis_clients import BULK, require_two_servers
from services.settings import Settings, load_settings
from workers.process import run_to_the_end

log = logging.getLogger("nearfield.worker")

NICENESS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Works until SIGTERM or SIGINT; 2 when a setting keeps it from starting."""
    parser = argparse.ArgumentParser(prog="python -m workers.main", description="A worker of Nearfield.")
    parser.add_argument("--heartbeat", type=Path, help="file to write signs of life to, every second")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        if settings.ledger_url is None or settings.index_url is None:
            raise SettingsError(
                "NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL are not set; `nearfield up` starts everything together"
            )
        configure_logging(settings)
        _check_stores(settings.ledger_url, settings.index_url)
        return _work(settings, settings.ledger_url, options.heartbeat)
    except NearfieldError as error:
        print(f"nearfield worker: {error.message}", file=sys.stderr)  # noqa: T201 - before or beside any log
        return 2


def _work(settings: Settings, ledger_url: str, heartbeat_path: Path | None) -> int:
    _be_modest()
    # imported here: a bad setting is told before the model libraries are loaded, which takes seconds
    from services.wiring import build_services
    from workers.app import make_app
    from workers.doorbell import CeleryDoorbell
    from workers.heartbeat import Heartbeat
    from workers.worker import Worker

    app = make_app(ledger_url)
    doorbell = CeleryDoorbell(app)
    services = build_services(settings, doorbell=doorbell, profile=BULK)
    try:
        services.sandbox.start()  # it loads its readers while the model is loaded
    except Unavailable as error:
        log.error("%s", error.message)
    default = services.installed.default.name()
    try:
        services.models.load(default)
    except ModelError as error:  # other collections may use another model; documents for this one fail with the reason
        log.error("the model %s cannot be loaded: %s", default, error.message)
    heartbeat = Heartbeat(heartbeat_path)
    heartbeat.start()
    try:
        return Worker(app, services, doorbell, heartbeat).run()
    finally:
        heartbeat.close()


def _be_modest() -> None:
    """Search comes first: a lower priority than whoever answers people."""
    os.nice(max(NICENESS - os.nice(0), 0))


def _check_stores(ledger_url: str, index_url: str) -> None:
    """Refuses one server for both roles. Stores that are still starting are no reason to stop: Celery waits for them.

    Raises:
        SettingsError: naming the variable to change.
    """
    try:
        require_two_servers(ledger_url, index_url)
    except (RedisError, Unavailable) as error:
        log.warning("a Redis does not answer yet (%s); going on", type(error).__name__)


if __name__ == "__main__":
    run_to_the_end(main)
