"""What holds for every page: it fits, it can be used by keyboard and by ear, it keeps still when asked to."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE, Opener, Site, Watch
from tests.browser.samples import FIELDS, animals

PAGES = [
    "/",
    "/c/everywhere",
    "/c/everywhere?q=heron",
    "/c/everywhere?q=heron&f.kind=bird&f.year.gte=2000",
    "/c/everywhere?q=heron&f.kind=none",
    "/c/everywhere/manage",
    "/c/everywhere/manage?state=failed",
    "/c/everywhere/document?id=bird/heron&start=0&end=20",
    "/collections",
    "/collections/new",
    "/jobs",
    "/nowhere",
]


@pytest.fixture(scope="module", autouse=True)
def everywhere(site: Site) -> None:
    name = site.collection("everywhere", fields=FIELDS)
    words = "unbreakable" * 40
    site.add(name, *animals(), {"id": words, "title": words, "text": words, "metadata": {"kind": words}})


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        ({"width": 320, "height": 700}, "dark"),
        (NARROW, "light"),
        ({"width": 768, "height": 1000}, "dark"),
        (WIDE, "light"),
    ],
    ids=["320", "390", "768", "1280"],
)
def test_nothing_runs_out_of_the_page(open_page: Opener, watch: Watch, size: dict[str, int], scheme: str) -> None:
    watch.expect("404")
    page = open_page("/", viewport=size, color_scheme=scheme)
    for path in [*PAGES, "/c/everywhere?q=unbreakable"]:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path


@pytest.mark.parametrize("path", PAGES)
def test_every_control_has_a_name_and_every_page_its_landmarks(open_page: Opener, watch: Watch, path: str) -> None:
    watch.expect("404")
    page = open_page(path)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href], summary")]
            .filter((control) => {
                const label = control.labels?.length ? [...control.labels].map((l) => l.textContent).join("") : "";
                const name = control.getAttribute("aria-label") || label || control.textContent;
                return !name.trim();
            })
            .map((control) => control.outerHTML)"""
    )
    assert nameless == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    assert page.evaluate("document.documentElement.lang") == "en"
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((h) => Number(h.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels


def test_the_focus_can_be_seen_on_every_stop(open_page: Opener) -> None:
    page = open_page("/c/everywhere?q=heron")
    page.locator("main").focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        shown = page.evaluate(
            """() => {
                const at = document.activeElement;
                const of = (element) => getComputedStyle(element);
                const ring = (element) => of(element).outlineStyle !== "none" || of(element).boxShadow !== "none";
                return ring(at) || ring(at.closest(".box") ?? at);
            }"""
        )
        assert shown, page.evaluate("document.activeElement.outerHTML")


def test_the_first_stop_leads_past_the_header(open_page: Opener) -> None:
    page = open_page("/collections")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_reduced_motion_is_respected(open_page: Opener) -> None:
    page = open_page("/", reduced_motion="reduce")
    moving = page.evaluate(
        """[...document.querySelectorAll("*")].filter((e) => {
            const style = getComputedStyle(e);
            return style.transitionDuration !== "0s" || style.animationName !== "none";
        }).length"""
    )
    assert moving == 0


def test_the_scheme_follows_the_system(open_page: Opener) -> None:
    grounds = {
        scheme: open_page("/", color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert grounds == {"light": "rgb(250, 250, 247)", "dark": "rgb(17, 21, 22)"}


def test_errors_are_pages_that_lead_on(open_page: Opener, watch: Watch) -> None:
    watch.expect("404", "405")
    page = open_page("/nowhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.goto("/c/everywhere/files")
    expect(page.get_by_role("heading", name="This page cannot be opened that way")).to_be_visible()
    page.get_by_role("link", name="Go to the search").click()
    expect(page.locator("#q")).to_be_visible()


def test_the_api_page_follows_the_scheme_too(open_page: Opener) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        page = open_page("/docs", color_scheme=scheme)
        expect(page.locator(".swagger-ui .info .title")).to_be_visible()
        look = "(e) => [getComputedStyle(document.body).backgroundColor, getComputedStyle(e).color]"
        seen[scheme] = page.locator(".swagger-ui .info .title").evaluate(look)
    assert [ground for ground, _ in seen.values()] == ["rgb(250, 250, 247)", "rgb(17, 21, 22)"]
    light, dark = (sum(map(int, re.findall(r"\d+", text)[:3])) for _, text in seen.values())
    assert light < 300 < 500 < dark
