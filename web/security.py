"""What keeps other web sites out of an open server on this machine, and what every answer tells the browser.

A page of any site can make a browser send requests to 127.0.0.1, and can point its own name there (DNS rebinding). So
the Host header must name this server, and a request that changes something must not come from another origin.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import secrets
import time
from urllib.parse import urlsplit

import flask

from services.settings import Settings, split_bind
from web.errors import RequestRefused

log = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers then send "Origin: null" with the forms of our own pages.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; names other than localhost count as public."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(netloc: str) -> str:
    """The host of a Host header or netloc, lower case, without port and brackets; "" when it is not one."""
    if not netloc or any(character in netloc for character in "/\\@ ,?#"):
        return ""
    try:
        parts = urlsplit(f"//{netloc}")
        parts.port  # noqa: B018 - raises for what is no port
        host = parts.hostname or ""
    except ValueError:
        return ""
    whole = netloc.lower().partition("]")[2] if netloc.startswith("[") else netloc.lower().removeprefix(host)
    return host.rstrip(".") if re.fullmatch(r"(:\d*)?", whole) else ""


class HostList:
    """The host names this server answers to.

    Loopback names always; the bound address; what ``allowed_hosts`` lists. Where the server listens to the network,
    any literal IP address as well: rebinding needs a name, and the machine cannot know all addresses it is reached by.
    """

    def __init__(self, settings: Settings) -> None:
        bound, _ = split_bind(settings.bind)
        listed = {host_of(entry.strip().lower()) for entry in settings.allowed_hosts.split(",") if entry.strip()}
        self.names = frozenset(_LOOPBACK_NAMES | {bound.lower()} | listed)
        self.any_address = not is_loopback(bound)

    def allows(self, netloc: str) -> bool:
        """Whether a Host header's value names this server."""
        host = host_of(netloc)
        if host in self.names:
            return True
        if not self.any_address:
            return False
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


def warn_if_public(settings: Settings) -> None:
    """Says loudly that anybody who reaches a non-loopback address may read, change and delete everything."""
    bound, port = split_bind(settings.bind)
    if not is_loopback(bound):
        log.warning(
            "LISTENING ON A PUBLIC ADDRESS (%s, port %d) WITHOUT ACCESS KEYS: everybody who reaches it can read, "
            "change and delete every collection. Set NEARFIELD_BIND=127.0.0.1:%d, or put a proxy that "
            "authenticates in front",
            bound,
            port,
            port or 8080,
        )


def register(app: flask.Flask, settings: Settings) -> None:
    """Puts the checks before every request and the headers behind every answer, static files and errors included."""
    hosts = HostList(settings)

    @app.before_request
    def begin() -> None:
        flask.g.started = time.perf_counter()
        given = flask.request.headers.get("X-Request-ID", "")
        flask.g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        _check_host(hosts)
        if flask.request.method not in SAFE_METHODS:
            _check_origin()

    @app.after_request
    def finish(response: flask.Response) -> flask.Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-ID"] = flask.g.get("request_id", "")
        _time_answer(response)
        return response


def _check_host(hosts: HostList) -> None:
    netloc = flask.request.headers.get("Host", "")
    if not hosts.allows(netloc):
        raise RequestRefused(
            f"this server does not answer to the host {netloc[:80]!r}; it answers to {', '.join(sorted(hosts.names))}. "
            "To add a name, set NEARFIELD_ALLOWED_HOSTS",
            code="host-not-allowed",
            status=400,
            pointer="/Host",
        )


def _check_origin() -> None:
    """Refuses a change that a browser sends for a page of another origin. Programs send neither header."""
    headers = flask.request.headers
    site = headers.get("Sec-Fetch-Site")
    origin = headers.get("Origin")
    foreign = site is not None and site not in ("same-origin", "none")
    if origin is not None and not foreign:
        # Only host and port are compared: behind a proxy that ends TLS the scheme differs.
        scheme, _, netloc = origin.partition("://")
        foreign = scheme not in ("http", "https") or netloc.lower() != headers.get("Host", "").lower()
    if foreign:
        raise RequestRefused(
            "a page of another site sent this change, so it was refused; use this server's own pages, or a program "
            "that sends neither Origin nor Sec-Fetch-Site",
            code="cross-site-request",
            status=403,
            pointer="/Origin" if origin is not None else "/Sec-Fetch-Site",
        )


def _time_answer(response: flask.Response) -> None:
    started = flask.g.get("started")
    if started is None:
        return
    total_ms = (time.perf_counter() - started) * 1000
    parts = [f"{name};dur={spent_ms:.2f}" for name, spent_ms in flask.g.get("timings", ())]
    response.headers["Server-Timing"] = ", ".join([*parts, f"total;dur={total_ms:.2f}"])
