"""The safe fetcher: one page in, one temporary file out, or one plain error.

Every hop of a redirect is a new request with all checks: URL, robots.txt, addresses. No proxy, no cookie, no
credentials, nothing of the environment is used. All failures to connect read alike: whether an address is refused,
closed or silent is nobody's business who can only name URLs.
"""

from __future__ import annotations

import hashlib
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import httpcore2
import httpx2

from services.errors import InvalidInput
from services.sources.fetch.decoding import ACCEPTED, BadEncoding, decoded
from services.sources.fetch.network import AddressRefused, GuardedNetwork
from services.sources.fetch.pace import Pace
from services.sources.fetch.resolver import Resolver, SystemResolver
from services.sources.fetch.robots import MAX_ROBOTS_BYTES, Robots, RobotsFile
from services.sources.fetch.urls import PageUrl, parse_url
from services.sources.fetch.values import Fetched, FetchLimits, Known, PageError
from services.timed_stream import Deadline

AGENT = "Nearfield"
USER_AGENT = f"{AGENT}/0.1 (self-hosted search; it reads robots.txt under the name {AGENT})"
MAX_REDIRECTS = 5
ROBOTS_S = 10.0
SILENCE_S = 15.0  # longest wait for a single read
MAX_VALIDATOR_CHARS = 1000
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})
UNREACHABLE = (
    "the server cannot be reached: its name is not known, its address is not one that is fetched from, or nobody "
    "answers there in time. Check the URL; an address inside your own network must be allowed first "
    "(NEARFIELD_FETCH_ALLOW_CIDRS)"
)


class Fetcher:
    """Fetches pages. Safe to share between threads.

    Args:
        folder: where temporary files go; made when it is missing.
        limits: how far a fetch goes.
        resolver: knows names.
        tls: for https; None for the system's trusted authorities.
    """

    def __init__(
        self,
        folder: Path,
        limits: FetchLimits,
        *,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._folder = folder
        self._limits = limits
        self._resolver = resolver or SystemResolver()
        self._tls = tls or httpx2.create_ssl_context(trust_env=False)
        self._pace = Pace(limits.pause_s)
        self._robots = Robots(AGENT, self._ask_robots)

    def wait_s(self, url: str) -> float:
        """Seconds until good manners allow the next request to this page's server. Raises as ``check``."""
        return self._pace.wait_s(self.check(url).origin)

    def check(self, url: str) -> PageUrl:
        """The URL as it would be fetched; nothing is connected to.

        Raises:
            PageError: it is none that may be fetched (code ``bad-url``).
        """
        try:
            return parse_url(url, ports=self._limits.ports)
        except InvalidInput as error:
            raise PageError(error.message, code=error.code) from None

    def fetch(self, url: str, known: Known | None = None) -> Fetched:
        """Gets a page.

        Args:
            url: of the page.
            known: what an earlier fetch learned, so that an unchanged page is not sent again.

        Raises:
            PageError: in plain words why not.
        """
        deadline = Deadline(self._limits.timeout_s)
        asked = Known(_validator(known.etag), _validator(known.last_modified)) if known else Known()
        page = self.check(url)
        for _ in range(MAX_REDIRECTS + 1):
            rules = self._robots.rules(page.origin)
            if rules.trouble:
                raise PageError(rules.trouble, code="unreachable")
            if not rules.allows(str(page)):
                raise PageError(
                    f"{page} is not fetched: the site's robots.txt does not allow it for {AGENT}", code="robots"
                )
            self._wait_for_turn(page, rules.delay_s, deadline)
            with self._answer(page, deadline, asked) as answer:
                target = _redirect(page, answer)
                if target is None:
                    return self._taken(page, answer, asked)
            page = self._next_hop(page, target)
        raise PageError(f"{url} was redirected more than {MAX_REDIRECTS} times; name its last page", code="redirects")

    def _wait_for_turn(self, page: PageUrl, delay_s: float | None, deadline: Deadline) -> None:
        """Waits as good manners ask, within the time of the fetch: a redirect must not hold us for a server's hour."""
        wait_s = self._pace.wait_s(page.origin)
        if wait_s > deadline.left_s():
            raise PageError(
                f"{page} is not fetched now: its server asked for a pause of {wait_s:.0f} s; it is tried again later",
                code="busy",
                wait_s=wait_s,
            )
        self._pace.take_turn(page.origin, delay_s)

    @contextmanager
    def _answer(self, page: PageUrl, deadline: Deadline, known: Known) -> Iterator[httpx2.Response]:
        """One request on a connection of its own, whatever goes wrong on it told as a PageError."""
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": ACCEPTED, "Connection": "close"}
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        limits = dict.fromkeys(("connect", "read", "write", "pool"), SILENCE_S)
        request = httpx2.Request("GET", page.url, headers=headers, extensions={"timeout": limits})
        try:
            with _Transport(self._network(deadline), self._tls) as transport:
                answer = transport.handle_request(request)
                try:
                    yield answer
                finally:
                    answer.close()
        except (AddressRefused, httpx2.ConnectError, httpx2.ConnectTimeout):
            raise PageError(UNREACHABLE, code="unreachable") from None
        except httpx2.TimeoutException:
            if deadline.left_s() <= 0:
                said = f"{page} took longer than {self._limits.timeout_s:g} s (NEARFIELD_FETCH_TIMEOUT_S)"
            else:
                said = f"{page} stopped sending"
            raise PageError(f"{said}; it is tried again later", code="too-slow") from None
        except (httpx2.HTTPError, httpcore2.ProtocolError, ssl.SSLError, OSError) as error:
            kind = type(error).__name__
            raise PageError(
                f"{page}: the connection broke or the answer is not HTTP ({kind}); it is tried again later",
                code="broken-answer",
            ) from None

    def _network(self, deadline: Deadline) -> GuardedNetwork:
        return GuardedNetwork(self._resolver, self._limits.allowed, deadline)

    def _taken(self, page: PageUrl, answer: httpx2.Response, asked: Known) -> Fetched:
        """The page that an answer holds, on disk."""
        learned = Known(_validator(answer.headers.get("ETag", "")), _validator(answer.headers.get("Last-Modified", "")))
        if answer.status_code == 304:
            if asked == Known():
                raise PageError(
                    f"{page}: the server says that nothing changed (status 304) although it was not asked that, and "
                    "gave no page; it is tried again later",
                    code="http-status",
                )
            return Fetched(str(page), None, known=learned)
        if answer.status_code != 200:
            raise self._refused(page, answer)
        body, size, digest = self._stored(page, answer)
        return Fetched(str(page), body, size, digest, answer.headers.get("Content-Type", "")[:200], learned)

    def _stored(self, page: PageUrl, answer: httpx2.Response) -> tuple[BinaryIO, int, str]:
        limit = self._limits.max_bytes
        declared = answer.headers.get("Content-Length", "")
        if _is_number(declared) and (len(declared) > 15 or int(declared) > limit):
            raise self._too_large(page)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # without a name: nothing is left behind, whatever ends the process
        body = cast(BinaryIO, tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115 - handed on
        digest, size = hashlib.sha256(), 0
        try:
            for block in decoded(answer.iter_raw(), answer.headers.get("Content-Encoding", "")):
                size += len(block)
                if size > limit:
                    raise self._too_large(page)
                digest.update(block)
                body.write(block)
            body.seek(0)
        except BadEncoding as error:
            body.close()
            raise PageError(f"{page} cannot be read: {error}", code="bad-encoding") from None
        except BaseException:
            body.close()
            raise
        return body, size, digest.hexdigest()

    def _too_large(self, page: PageUrl) -> PageError:
        return PageError(
            f"{page} is larger than {self._limits.max_bytes:,} bytes (NEARFIELD_FETCH_MAX_BYTES)", code="too-large"
        )

    def _refused(self, page: PageUrl, answer: httpx2.Response) -> PageError:
        status = answer.status_code
        wait_s = 0.0
        if status in _BUSY:
            said = answer.headers.get("Retry-After", "")
            wait_s = float(said) if _is_number(said) and len(said) < 8 else 60.0
            self._pace.hold(page.origin, wait_s)
        gone = status in (404, 410)
        words = "there is no such page" if gone else "the server did not give the page"
        return PageError(f"{page}: {words} (status {status})", code="http-status", gone=gone, wait_s=wait_s)

    def _next_hop(self, page: PageUrl, target: str) -> PageUrl:
        """Where a redirect leads, checked like any other URL; never from https to http."""
        try:
            joined = str(page.url.join(target))
        except (httpx2.InvalidURL, ValueError):
            joined = target
        hop = self.check(joined)
        if page.scheme == "https" and hop.scheme == "http":
            raise PageError(
                f"{page} leads to {hop}, which is not encrypted; name that page itself if you want it", code="redirects"
            )
        return hop

    def _ask_robots(self, origin: str) -> RobotsFile:
        """An origin's robots.txt, redirects followed with the same checks."""
        deadline = Deadline(min(ROBOTS_S, self._limits.timeout_s))
        try:
            page = self.check(f"{origin}/robots.txt")
            for _ in range(MAX_REDIRECTS + 1):
                with self._answer(page, deadline, Known()) as answer:
                    target = _redirect(page, answer)
                    if target is None:
                        return _robots_file(page, answer)
                page = self._next_hop(page, target)
        except PageError as error:
            return RobotsFile(None, error.message)
        except BadEncoding as error:
            return RobotsFile(None, f"{origin}/robots.txt cannot be read: {error}")
        return RobotsFile("")  # more redirects than are followed: as if there were none (RFC 9309, 2.3.1.2)


class _Transport(httpx2.HTTPTransport):
    """httpx2's own transport over the guarded network; used without a client: no cookies, no proxies."""

    def __init__(self, network: GuardedNetwork, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls,
            max_connections=1,
            max_keepalive_connections=0,
            retries=0,
            network_backend=network,
        )


def _validator(text: str) -> str:
    """An ETag or date that can be sent back as it is; "" for any other, as if the server had given none."""
    return text if len(text) <= MAX_VALIDATOR_CHARS and text.isascii() and text.isprintable() else ""


def _is_number(text: str) -> bool:
    """Whether it is plain digits; str.isdigit alone takes superscripts too, which int() does not."""
    return text.isascii() and text.isdigit()


def _redirect(page: PageUrl, answer: httpx2.Response) -> str | None:
    """Where an answer sends us, None when it does not."""
    if answer.status_code not in _REDIRECTS:
        return None
    target = answer.headers.get("Location", "")
    if not target or len(target) > 2000:
        raise PageError(f"{page} redirects to nowhere (status {answer.status_code})", code="redirects")
    return str(target)


def _robots_file(page: PageUrl, answer: httpx2.Response) -> RobotsFile:
    if answer.status_code >= 500 or answer.status_code == 429:
        return RobotsFile(
            None,
            f"the site cannot say what may be fetched: {page} answered with status "
            f"{answer.status_code}; it is asked again later",
        )
    if answer.status_code != 200:
        return RobotsFile("")
    taken = bytearray()
    for block in decoded(answer.iter_raw(), answer.headers.get("Content-Encoding", "")):
        taken += block
        if len(taken) >= MAX_ROBOTS_BYTES:
            break
    return RobotsFile(taken[:MAX_ROBOTS_BYTES].decode("utf-8", "replace").lstrip("\ufeff"))
