"""Which URLs may be fetched. The value made here is the one that is connected to: check and use read the same parts."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import httpx2

from services.errors import InvalidInput

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL_CHARS = 2000
MAX_HOST_CHARS = 253
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_START = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageUrl:
    """A URL that has passed: scheme http or https, a plain host, a port that is allowed, no user, no fragment.

    ``origin`` is "https://host:port" with the port always there, for what is kept per server.
    """

    url: httpx2.URL
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __str__(self) -> str:
        return str(self.url)


def parse_url(text: str, *, ports: Collection[int] = (80, 443), pointer: str | None = None) -> PageUrl:
    """The URL, checked and in one spelling.

    Args:
        ports: ports that may be connected to.
        pointer: where it stands in a request, for errors.

    Raises:
        InvalidInput: code ``bad-url``, with what is wrong.
    """
    problem = _text_problem(text)
    if not problem:
        try:
            url = httpx2.URL(text).copy_with(fragment=None)
        except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
            problem = f"it is no URL ({str(error)[:100]})"
        else:
            problem = _problem(url, ports)
    if problem:
        raise InvalidInput(
            f"{text[:200]!r} cannot be fetched: {problem}. Give a page as http://host/path or https://host/path",
            code="bad-url",
            pointer=pointer,
        )
    host = url.raw_host.decode("ascii").rstrip(".")
    return PageUrl(url, url.scheme, host, url.port or DEFAULT_PORTS[url.scheme])


def _text_problem(text: str) -> str:
    """What is wrong with the characters, before any parser reads them in its own way."""
    if len(text) > MAX_URL_CHARS:
        return f"it has {len(text):,} characters, at most {MAX_URL_CHARS:,} are taken"
    if not text.isprintable() or "\\" in text or " " in text:
        return "it holds blanks, backslashes or characters that cannot be seen"
    if not _START.match(text):
        return "it does not begin with http:// or https://"
    return ""


def _problem(url: httpx2.URL, ports: Collection[int]) -> str:
    if url.userinfo or "@" in url.netloc.decode("ascii", "replace"):
        return "it holds a user name or password"
    host = url.raw_host.decode("ascii", "replace")
    if not host or len(host) > MAX_HOST_CHARS or not (_is_ipv6(host) or _HOST.fullmatch(host)):
        return "its host name is none"
    port = url.port if url.port is not None else DEFAULT_PORTS.get(url.scheme, 0)
    if port not in ports:
        inside = (
            "; a host of your own network must be allowed too (NEARFIELD_FETCH_ALLOW_CIDRS)" if _is_inside(host) else ""
        )
        return (
            f"port {port} is not fetched from; allowed are {', '.join(map(str, sorted(ports)))} "
            f"(NEARFIELD_FETCH_PORTS){inside}"
        )
    return ""


def _is_inside(host: str) -> bool:
    """Whether a host looks like one of a private network, by its spelling alone: words for an error, no check."""
    name = host.rstrip(".").lower()
    try:
        return not ip_address(name).is_global
    except ValueError:
        return "." not in name or name.endswith(
            (".localhost", ".local", ".lan", ".home.arpa", ".internal", ".intranet")
        )


def _is_ipv6(host: str) -> bool:
    if ":" not in host or "%" in host:
        return False
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True
