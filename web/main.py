"""The web process: ``python -m web.main --port-file PATH``. Settings in, a running server out."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from redis.exceptions import RedisError

from services.errors import NearfieldError, SettingsError, Unavailable
from services.logs import configure_logging
from services.redis_clients import INTERACTIVE, require_two_servers
from services.settings import load_settings
from services.wiring import Services, build_services
from web.app import create_app, state_of
from web.doorbell import ThreadedDoorbell, celery_sender
from web.incoming import Sweeper, incoming_folder, sweep, use_for_temporary_files
from web.intake import Intake
from web.server import Server, bind_socket, write_port_file

log = logging.getLogger("nearfield.web")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the web server until SIGTERM or SIGINT; 2 when a setting keeps it from starting."""
    parser = argparse.ArgumentParser(prog="python -m web.main", description="The web server of Nearfield.")
    parser.add_argument("--port-file", type=Path, help="file to write the port to as soon as the server listens")
    options = parser.parse_args(arguments)
    try:
        return _serve(options.port_file)
    except NearfieldError as error:
        print(f"nearfield web: {error.message}", file=sys.stderr)  # noqa: T201 - before or beside any log
        return 2


def _serve(port_file: Path | None) -> int:
    settings = load_settings()
    if settings.ledger_url is None:
        raise SettingsError(
            "NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL are not set; `nearfield up` starts everything together"
        )
    configure_logging(settings)
    listener = bind_socket(settings)
    incoming = incoming_folder(settings.data_dir)
    use_for_temporary_files(incoming)
    sweep(incoming)
    doorbell = ThreadedDoorbell(celery_sender(settings.ledger_url))
    services = build_services(settings, doorbell=doorbell, profile=INTERACTIVE)
    _check_stores(settings.ledger_url, settings.index_url or "", services)
    app = create_app(services, settings)
    intake = Intake(settings, standing=services.admission.standing)
    server = Server(app, settings, listener, intake=intake, housekeeping=Sweeper(incoming))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    port = listener.getsockname()[1]
    if port_file is not None:
        write_port_file(port_file, port)
    log.info("listening on port %d of %s", port, settings.bind)
    services.admission.start()
    state_of(app).warmup.start()
    server.run(on_stop=state_of(app).stopping.set)
    state_of(app).warmup.stop()
    services.admission.stop()
    doorbell.close()
    return 0


def _check_stores(ledger_url: str, index_url: str, services: Services) -> None:
    """Refuses one server for both roles. Stores that are still starting are no reason to stop: /readyz tells of them.

    Raises:
        SettingsError: naming the variable to change.
    """
    try:
        require_two_servers(ledger_url, index_url)
        services.jobs.prepare()
    except (RedisError, Unavailable) as error:
        log.warning("a Redis does not answer yet (%s); going on", type(error).__name__)


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    # Not sys.exit: a model that is still being loaded in its thread, and torch's own end, would hold the process up.
    os._exit(status)
