"""Reads how full memory, disks and the queue are. Each reading is one round trip or one system call."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError, ResponseError

from services.admission.policy import Gauge, Resource
from services.ledger import keys
from services.redis_clients import Client
from services.settings import Settings

log = logging.getLogger(__name__)

MIB = 1024 * 1024


@dataclass(slots=True)
class Probes:
    """What an instance has to watch.

    Args:
        settings: limits and the data folder.
        ledger: client of the ledger Redis.
        index: client of the index Redis.
    """

    settings: Settings
    ledger: Client
    index: Client
    _folders: dict[Resource, Path | None] = field(default_factory=dict)

    def read(self) -> list[Gauge]:
        """A gauge for everything that can be read now; what cannot is left out."""
        found = list(self._disks())
        for resource, client, limit_mb in (
            (Resource.INDEX_MEMORY, self.index, self.settings.index_maxmemory_mb),
            (Resource.LEDGER_MEMORY, self.ledger, self.settings.ledger_maxmemory_mb),
        ):
            try:
                found.append(memory_gauge(resource, client.info("memory"), limit_mb, self._high_percent))
            except RedisError as error:
                log.debug("%s cannot be read: %s", resource, type(error).__name__)
        try:
            found.append(queue_gauge(waiting_documents(self.ledger), self.settings.queue_max_documents))
        except RedisError as error:
            log.debug("the queue cannot be read: %s", type(error).__name__)
        return found

    @property
    def _high_percent(self) -> int:
        return self.settings.memory_high_percent

    def _disks(self) -> Iterator[Gauge]:
        """The disk of the data folder, and those that the two servers write to where they can be seen from here."""
        folders = [self.settings.data_dir]
        folders += [
            folder
            for resource, client in ((Resource.INDEX_MEMORY, self.index), (Resource.LEDGER_MEMORY, self.ledger))
            if (folder := self._redis_folder(resource, client)) is not None
        ]
        seen: set[int] = set()
        for folder in folders:
            try:
                device, free = folder.stat().st_dev, free_bytes(folder)
            except OSError:  # not made yet, or not ours to look into
                continue
            if device not in seen:
                seen.add(device)
                yield disk_gauge(str(folder), free, self.settings.disk_free_min_mb * MIB)

    def _redis_folder(self, resource: Resource, client: Client) -> Path | None:
        """Where a server on this machine keeps its data; None for any other. Asked once."""
        if resource not in self._folders:
            if "path" not in client.connection_pool.connection_kwargs:  # a unix socket: this machine
                self._folders[resource] = None
                return None
            try:
                told: Any = client.config_get("dir")
            except ResponseError:  # not allowed to ask
                self._folders[resource] = None
                return None
            except RedisError:  # away; asked again
                return None
            name = told.get("dir") or told.get(b"dir") or ""
            self._folders[resource] = Path(os.fsdecode(name)) if name else None
        return self._folders[resource]


def memory_gauge(resource: Resource, info: Mapping[str, Any], limit_mb: int, high_percent: int) -> Gauge:
    """How full a Redis is: what it counts against its limit, and that limit.

    Args:
        resource: whose memory.
        info: its INFO memory.
        limit_mb: the limit where the server has none of its own, MiB; 0: all memory of its machine.
        high_percent: the high mark.
    """
    used = int(info["used_memory"]) - int(info.get("mem_not_counted_for_evict", 0))
    limit = int(info.get("maxmemory", 0)) or limit_mb * MIB or int(info.get("total_system_memory", 0))
    if limit <= 0:
        return Gauge(resource, 0.0, f"{used // MIB:,} MiB are used; there is no limit")
    figures = f"{used / MIB:,.1f} MiB of {limit / MIB:,.1f} MiB are used; the mark is {high_percent} %"
    return Gauge(resource, used / (limit * high_percent / 100), figures)


def disk_gauge(folder: str, free: int, least: int) -> Gauge:
    """How full a disk is: free bytes beside the least that is to stay free (0: this is not watched)."""
    figures = f"{free / MIB:,.0f} MiB are free, {least / MIB:,.0f} MiB are to stay so"
    return Gauge(Resource.DISK, least / max(free, 1) if least else 0.0, figures, folder)


def queue_gauge(waiting: int, most: int) -> Gauge:
    """How long the queue is beside its limit."""
    return Gauge(Resource.QUEUE, waiting / most, f"{waiting:,} are waiting; the limit is {most:,}")


def waiting_documents(ledger: Client) -> int:
    """Documents of all collections that wait for a worker."""
    collections: Any = ledger.smembers(keys.COLLECTIONS)
    pipeline = ledger.pipeline(transaction=False)
    for collection_id in collections:
        for lane in keys.LANES:
            pipeline.zcard(keys.due(collection_id.decode(), lane))
    return sum(pipeline.execute()) if collections else 0


def free_bytes(folder: Path) -> int:
    """Free bytes of the disk that a folder lies on, for a process without special rights.

    Raises:
        OSError: the folder is not there.
    """
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
