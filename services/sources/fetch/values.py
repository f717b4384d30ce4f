"""What a fetch is given and what it brings back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, Self

from services.errors import SourceError
from services.settings import Settings
from services.sources.fetch.addresses import Network, parse_networks


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How far a fetch goes.

    ``max_bytes`` counts the answer after decoding. ``timeout_s`` covers everything from the name to the last byte, all
    redirects included. ``pause_s`` lies between two requests to one origin. ``allowed`` are networks beyond the public
    ones, ``ports`` those that may be connected to.
    """

    max_bytes: int = 32 * 1024 * 1024
    timeout_s: float = 30.0
    pause_s: float = 1.0
    allowed: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that the settings name."""
        return cls(
            max_bytes=settings.fetch_max_bytes,
            timeout_s=settings.fetch_timeout_s,
            pause_s=settings.fetch_pause_ms / 1000,
            allowed=parse_networks(settings.fetch_allow_cidrs),
            ports=ports_of(settings.fetch_ports),
        )


def ports_of(text: str) -> frozenset[int]:
    """Ports of the setting, such as "80,443"; the settings have checked them."""
    return frozenset(int(part) for part in text.replace(",", " ").split())


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier fetch learned of a page, for asking whether it changed; all "" for a page never seen."""

    etag: str = ""
    last_modified: str = ""


@dataclass(slots=True)
class Fetched:
    """A page. Use it as a context manager: its file is temporary.

    ``body`` is at its beginning; None when the server says that nothing changed. ``url`` is where it was found after
    redirects. ``media_type`` is what the server claims. ``digest`` is the SHA-256 of the body.
    """

    url: str
    body: BinaryIO | None
    size_bytes: int = 0
    digest: str = ""
    media_type: str = ""
    known: Known = field(default_factory=Known)

    @property
    def unchanged(self) -> bool:
        """Whether the server answered 304."""
        return self.body is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.body is not None:
            self.body.close()


class PageError(SourceError):
    """A page that could not be fetched.

    Args:
        message: for people; says nothing of networks that are not the asker's business.
        code: see the places where it is raised.
        gone: the server says that there is no such page (404, 410).
        wait_s: how long the server asks to be left alone.
    """

    def __init__(self, message: str, *, code: str, gone: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(message, code=code)
        self.gone = gone
        self.wait_s = wait_s
