"""Hostile content never runs: stored in every field, reflected in every address, with and without the CSP."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener, Site, Watch

IMAGE = "<img src=/nope onerror=\"window.ran='image'\">"
SCRIPT = "</script><script>window.ran='script'</script>"
BREAKOUT = "\"'><svg onload=\"window.ran='svg'\"><!--"
TEMPLATE = "{{7*7}}${7*7}</title></textarea></p><iframe srcdoc=\"<script>parent.ran='frame'</script>\">"
EVIL = IMAGE + SCRIPT + BREAKOUT + TEMPLATE
LINK = "javascript:window.ran='link'//https://example.org"


@pytest.fixture(scope="module")
def trap(site: Site) -> str:
    name = site.collection("trap", description=EVIL[:400], fields={"tag": "tag", "kind": "tag"})
    site.add(
        name,
        {
            "id": EVIL[:400],
            "title": f"trap {EVIL}",
            "text": f"trap {EVIL} &lt;b&gt; <mark>typed</mark>\n" * 5,
            "url": "ftp://example.org/" + quote(EVIL),
            "metadata": {
                "tag": EVIL[:300],
                EVIL[:128]: EVIL,
                BREAKOUT: EVIL,
                "link": LINK,
                "nested": {IMAGE: [SCRIPT]},
                "kind": [IMAGE, SCRIPT],
            },
        },
        {"id": "rtl", "title": "trap invoice \u202egpj.exe", "text": "trap right to left"},
    )
    return name


def assert_nothing_ran(page: Page) -> None:
    page.wait_for_timeout(150)
    assert page.evaluate("window.ran") is None
    assert page.locator("main img, main iframe, main script, main svg[onload], main b").count() == 0
    assert page.locator("a[href^='javascript' i]").count() == 0


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["with-csp", "without-csp"])
def test_stored_text_is_only_text(open_page: Opener, watch: Watch, trap: str, bypass_csp: bool) -> None:
    watch.expect("404")
    page = open_page("/", bypass_csp=bypass_csp)
    for path in (
        "/",
        "/collections",
        "/jobs",
        f"/c/{trap}",
        f"/c/{trap}?q=trap",
        f"/c/{trap}/manage",
        f"/c/{trap}/document?id={quote(EVIL[:400], safe='')}&start=0&end=60",
    ):
        page.goto(path)
        assert_nothing_ran(page)
    expect(page.locator("h1")).to_have_text(f"trap {EVIL}")
    expect(page.locator("aside")).to_contain_text(IMAGE)
    assert "<mark>typed</mark>" in page.locator(".text").inner_text()


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["with-csp", "without-csp"])
def test_results_that_a_script_puts_in_are_only_text(open_page: Opener, trap: str, bypass_csp: bool) -> None:
    page = open_page(f"/c/{trap}", bypass_csp=bypass_csp)
    page.locator("#q").fill(f"trap {EVIL}")
    expect(page.locator("[data-hit]").first).to_be_visible()
    assert_nothing_ran(page)
    expect(page.locator("[data-hit]").filter(has_text="window.ran").first).to_be_visible()
    page.locator(".facts a[title^='Only kind']").first.click()
    assert_nothing_ran(page)
    expect(page.locator(".chip")).to_contain_text("<img src=/nope")


@pytest.mark.parametrize(
    "path",
    [
        "/{evil}",
        "/c/{evil}",
        "/c/trap?q={evil}",
        "/c/trap?q=trap&f.tag={evil}",
        "/c/trap?q=trap&f.{evil}=1",
        "/c/trap/manage?done={evil}&n={evil}&job={evil}&state={evil}",
        "/c/trap/manage?cursor={evil}",
        "/c/trap/document?id={evil}",
        "/jobs/{evil}",
        "/collections/new?name={evil}",
    ],
)
def test_what_an_address_says_is_only_text(open_page: Opener, watch: Watch, trap: str, path: str) -> None:
    watch.expect("404", "422", "400")
    page = open_page(path.format(evil=quote(EVIL, safe="")), bypass_csp=True)
    assert_nothing_ran(page)


def test_file_names_are_only_text_and_read_in_their_own_direction(open_page: Opener, watch: Watch, site: Site) -> None:
    watch.expect("422", "415")
    name = site.collection("names")
    page = open_page(f"/c/{name}/manage", bypass_csp=True)
    bad = [f"{IMAGE.replace('/', '')}.txt", "\u202egpj.exe", "a\nb.txt", "..\\..\\x.txt"]
    page.locator("#files").set_input_files(
        [{"name": name, "mimeType": "text/plain", "buffer": f"file {n}".encode()} for n, name in enumerate(bad)]
    )
    expect(page.locator("[data-sending]")).to_contain_text(r"taken in")
    assert_nothing_ran(page)
    picture = {"name": bad[0], "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n" + bytes(200)}
    page.locator("#files").set_input_files([picture])
    expect(page.locator("[data-sending] bdi")).to_have_text(bad[0])
    assert_nothing_ran(page)
    site.settle(name)
    page.reload()
    assert_nothing_ran(page)


def test_untrusted_names_stand_in_isolation(open_page: Opener, trap: str) -> None:
    page = open_page(f"/c/{trap}?q=trap right to left")
    title = page.locator("[data-hit]", has_text="invoice")
    assert title.locator("bdi").count() == 1


def test_another_sites_form_changes_nothing(open_page: Opener, watch: Watch, site: Site) -> None:
    """A page of another origin posts to us: refused before anything happens."""
    watch.expect("403")
    name = site.collection("guarded")
    page = open_page("/")
    page.route(
        "**/attack",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method=post action="{site.url}/c/{name}/delete"><input name=confirm value="{name}">'
            "<button>Go</button></form>",
        ),
    )
    host = site.url.replace("127.0.0.1", "localhost")
    watch.found.clear()
    page.goto(f"{host}/attack")
    watch.found.clear()  # the attacking page itself is the other host
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="That came from another site")).to_be_visible()
    assert site.product.call("GET", f"/api/v1/collections/{name}")[0] == 200
    watch.found.clear()


def test_the_page_holds_no_data_in_scripts(open_page: Opener, trap: str) -> None:
    page = open_page(f"/c/{trap}?q=trap")
    scripts = page.locator("script").evaluate_all("all => all.map(s => [s.src, s.textContent])")
    assert json.dumps(scripts).count("main.js") == 1
    assert all(text == "" for _, text in scripts)
