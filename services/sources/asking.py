"""From what a person asks for to a source: checked, named, and in one spelling."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Collection as Container
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.collections.values import Collection
from services.errors import InvalidInput, SourceError
from services.ids import new_job_id
from services.sources.fetch.urls import parse_url
from services.sources.folder import root_of
from services.sources.globs import check_patterns
from services.sources.values import Source, SourceKind

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
MAX_LOCATION_CHARS = 2000
LEAST_EVERY_S = 60
MOST_EVERY_S = 365 * 86_400
DEFAULT_EVERY_S = 86_400


@dataclass(frozen=True, slots=True)
class SourceWish:
    """What somebody asks for. ``kind`` None: seen from the location. ``every_s`` None: the default of the kind."""

    location: str
    kind: SourceKind | None = None
    name: str = ""
    every_s: int | None = None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    other_hosts: bool = False


def make_source(collection: Collection, wish: SourceWish, *, roots: Sequence[str], ports: Container[int]) -> Source:
    """The source that is wished for, not stored yet. Nothing is fetched or looked at: the collector does that.

    Args:
        roots: folders that may be followed.
        ports: ports that pages may be fetched from.

    Raises:
        InvalidInput: what is wrong with the wish; the pointer names the member.
    """
    given = wish.location.strip()
    if not given or len(given) > MAX_LOCATION_CHARS or not given.isprintable():
        raise InvalidInput(
            f"the location has {len(given)} characters or some that cannot be seen; give a URL (http://, https://) or "
            "the absolute path of a folder on the server",
            code="bad-location",
            pointer="/location",
        )
    kind = wish.kind or _kind_of(given)
    location = _folder(given, roots) if kind is SourceKind.FOLDER else _page(given, ports)
    return Source(
        id=new_job_id(),
        collection_id=collection.id,
        name=_name(wish.name.strip(), kind, location),
        kind=kind,
        location=location,
        every_s=_every(wish.every_s, kind),
        include=check_patterns(wish.include, "/include"),
        exclude=check_patterns(wish.exclude, "/exclude"),
        other_hosts=wish.other_hosts,
        created_at_ms=time.time_ns() // 1_000_000,
    )


def _kind_of(location: str) -> SourceKind:
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", location):
        return SourceKind.FOLDER
    path = location.partition("?")[0].lower()
    return SourceKind.SITEMAP if re.search(r"/sitemap[^/]*\.(xml|txt)(\.gz)?$", path) else SourceKind.URL


def _page(given: str, ports: Container[int]) -> str:
    return str(parse_url(given, ports=ports, pointer="/location"))


def _folder(given: str, roots: Sequence[str]) -> str:
    path = os.path.normpath(given)
    if not Path(path).is_absolute():
        raise InvalidInput(
            f"the folder {given[:200]!r} is not an absolute path; give it as the server sees it, such as "
            "/srv/documents",
            code="bad-location",
            pointer="/location",
        )
    try:
        root_of(path, roots)
    except SourceError as error:
        raise InvalidInput(error.message, code=error.code, pointer="/location") from None
    return path


def _every(every_s: int | None, kind: SourceKind) -> int:
    if every_s is None:
        return 0 if kind is SourceKind.FOLDER else DEFAULT_EVERY_S
    if every_s == 0 or LEAST_EVERY_S <= every_s <= MOST_EVERY_S or (kind is SourceKind.FOLDER and 0 < every_s < 60):
        return every_s
    raise InvalidInput(
        f"every_s is {every_s}; allowed are {LEAST_EVERY_S} to {MOST_EVERY_S}, or 0: once for a page or sitemap, as "
        "often as NEARFIELD_SOURCE_SCAN_S says for a folder",
        code="bad-interval",
        pointer="/every_s",
    )


def _name(given: str, kind: SourceKind, location: str) -> str:
    name = given or default_name(kind, location)
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidInput(
            f"source name {name[:80]!r} is not usable; allowed are 1 to 63 lower-case letters, digits, '.', '_' and "
            "'-', beginning with a letter or digit",
            code="bad-name",
            pointer="/name",
        )
    return name


def default_name(kind: SourceKind, location: str) -> str:
    """A name made from the location: the folder's own name, or host and a short digest of the URL."""
    if kind is SourceKind.FOLDER:
        plain = _plain(Path(location).name)
        return plain or "folder-" + _digest(location)
    host = _plain(location.partition("://")[2].partition("/")[0])
    return f"{host[:50].rstrip('.-')}-{_digest(location)}" if host else "page-" + _digest(location)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:63]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
