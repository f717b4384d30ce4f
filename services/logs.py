"""Logging of a process: lines for people, or JSON objects; nothing that a client sent can break a line."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

from services.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Sends the log of the whole process to stderr. Called once, by the entry points."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
    ]
    render: Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], sort_keys=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("celery.worker.strategy", "celery.app.trace", "kombu", "httpx", "sentence_transformers", "waitress"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
