"""The Celery application of the workers: one queue of doorbells, nothing in it that may not be lost.

A message only says that a collection has work, so it is acknowledged before the work (early), and neither results nor
redelivery are kept: Celery's own redelivery loses messages on kill -9 whatever the settings; the ledger does not.
"""

from __future__ import annotations

from celery import Celery

from services.doorbell import BELL_QUEUE
from services.redis_clients import broker_url
from workers.transport import use_bell_transport


def make_app(ledger_url: str, name: str = "nearfield-worker") -> Celery:
    """An application on the ledger's Redis, for consuming and for ringing."""
    use_bell_transport()
    app = Celery(name, broker=broker_url(ledger_url), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,
        task_publish_retry=False,
        task_default_queue=BELL_QUEUE,
        task_create_missing_queues=True,
        worker_prefetch_multiplier=1,
        worker_pool="solo",  # torch does not survive a fork
        worker_concurrency=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": 5,  # without it a hung broker holds a worker for ever
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
    )
    return app
