"""A real browser on a real instance: web, worker and keeper as processes, two Redis servers, the hash model.

Every page is watched: an error on its console, an uncaught exception, a dialog or a request to another host fails the
test, unless the test said before that it would happen.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.conftest import make_redis_pair
from tests.processes import Product, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs Chromium, and all share one instance, so they stay on one worker."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))
            if not CHROMIUM:
                item.add_marker(pytest.mark.skip(reason="no Chromium on PATH (Debian: apt install chromium)"))


@dataclass
class Site:
    """The running instance and what tests put into it through its API."""

    product: Product

    @property
    def url(self) -> str:
        return self.product.url

    def collection(self, name: str, **members: Any) -> str:
        """A new collection of that name; one that an earlier test left is deleted first."""
        self.product.call("DELETE", f"/api/v1/collections/{name}")
        status, answer = self.product.call("POST", "/api/v1/collections", {"name": name, **members})
        assert status == 201, answer
        return name

    def add(self, name: str, *documents: dict[str, Any]) -> None:
        """Adds documents and waits until all of the collection's work is done."""
        status, answer = self.product.call("POST", f"/api/v1/collections/{name}/documents", list(documents))
        assert status == 202, answer
        self.settle(name)

    def settle(self, name: str) -> dict[str, Any]:
        """Waits until nothing of a collection is waiting; gives back the collection."""

        def settled() -> dict[str, Any] | None:
            _, found = self.product.call("GET", f"/api/v1/collections/{name}")
            states = found.get("documents", {})
            busy = states.get("pending", 1) + states.get("processing", 0)
            return None if busy else found

        found: dict[str, Any] = wait_until(settled, f"all of {name} indexed\n{self.product.worker.tail()}")
        return found


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """One instance for all browser tests."""
    folder = Path(tempfile.mkdtemp(prefix="nfb-"))
    pair = make_redis_pair(folder)
    product = Product(pair, folder)
    try:
        product.start()
        yield Site(product)
    finally:
        product.stop()
        pair.ledger.kill()
        pair.index.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@dataclass
class Watch:
    """What went wrong on the pages of a test. ``expect`` names parts of console messages that are meant to come."""

    host: str
    found: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, *parts: str) -> None:
        self.expected += parts

    def over(self, context: BrowserContext) -> None:
        context.on("page", self.attach)
        context.route("**/*", self._route)

    def attach(self, page: Page) -> None:
        page.on("console", lambda message: self._said(message.type, f"{message.text} {message.location}"))
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: (self.found.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(part in text for part in self.expected):
            self.found.append(f"{kind}: {text}")

    def _route(self, route: Any) -> None:
        parts = urlsplit(route.request.url)
        if parts.scheme in ("data", "blob", "about") or parts.netloc == self.host:
            route.fallback()
        else:
            self.found.append(f"request to another host: {route.request.url}")
            route.abort()


Opener = Callable[..., Page]


@contextmanager
def watched(browser: Browser, site: Site) -> Iterator[tuple[Opener, Watch]]:
    """Opens pages with any options of a browser context; complains at the end of what their watch found."""
    watch = Watch(urlsplit(site.url).netloc)
    contexts: list[BrowserContext] = []

    def open_page(path: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=site.url, **{"viewport": WIDE, **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        watch.over(context)
        page = context.new_page()
        page.goto(path)
        return page

    try:
        yield open_page, watch
    finally:
        for context in contexts:
            context.close()
    assert not watch.found, "\n".join(watch.found)


@pytest.fixture
def opened(browser: Browser, site: Site) -> Iterator[tuple[Opener, Watch]]:
    with watched(browser, site) as both:
        yield both


@pytest.fixture
def open_page(opened: tuple[Opener, Watch]) -> Opener:
    """Opens an address in a fresh browser context; keyword arguments are options of the context."""
    return opened[0]


@pytest.fixture
def watch(opened: tuple[Opener, Watch]) -> Watch:
    """To say which console errors a test means to cause."""
    return opened[1]
