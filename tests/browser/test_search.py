"""Searching in the browser: as you type, by keyboard, with filters, by a shared address."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NARROW, Opener, Site, Watch
from tests.browser.samples import FIELDS, animals


@pytest.fixture(scope="module")
def zoo(site: Site) -> str:
    name = site.collection("zoo", description="Animals of the wood and the water", fields=FIELDS)
    site.add(name, *animals())
    return name


def first_hit(page: Page) -> str:
    return page.locator("[data-hit]").first.inner_text()


def test_typing_on_the_start_page_leads_to_results_with_an_address(open_page: Opener, zoo: str) -> None:
    page = open_page("/")
    page.select_option("[data-collection]", zoo)
    page.locator("#q").press_sequentially("stories of the heron", delay=20)
    expect(page.locator("[data-hit]").first).to_have_text("The heron")
    expect(page).to_have_url(re.compile(r"/c/zoo\?q=stories\+of\+the\+heron$"))
    expect(page).to_have_title("stories of the heron · zoo · Nearfield")
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#announce")).to_have_text("The 10 nearest of 30 documents")
    hit = page.locator(".hit").first
    expect(hit.locator(".place")).to_contain_text("zoo")
    expect(hit.locator(".passage")).to_contain_text("Where a heron lives")
    expect(hit.locator(".facts")).to_contain_text("kind bird")
    expect(hit.get_by_role("link", name="original")).to_have_attribute("href", "https://example.org/heron")


def test_an_address_shows_the_same_to_somebody_else(open_page: Opener, zoo: str) -> None:
    address = f"/c/{zoo}?q=otter&f.kind=mammal&f.year.gte=2001&page=1"
    page = open_page(address)
    assert first_hit(page) == "The otter"
    expect(page.get_by_role("checkbox", name="mammal")).to_be_checked()
    expect(page.locator("#filter-year\\.gte")).to_have_value("2001")
    assert {"mammal"} == set(page.locator(".facts a[title^='Only kind']").all_inner_texts())


def test_the_keyboard_is_enough(open_page: Opener, zoo: str) -> None:
    page = open_page(f"/c/{zoo}")
    page.locator("h1").click(force=True)
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value("")
    page.keyboard.type("lynx and badger")
    expect(page.locator("[data-hit]")).to_have_count(10)
    hits = page.locator("[data-hit]")
    page.keyboard.press("ArrowDown")
    expect(hits.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(hits.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#q")).to_have_value("")
    expect(page.locator("[data-hit]")).to_have_count(0)
    expect(page).to_have_url(re.compile(rf"/c/{zoo}$"))
    page.keyboard.type("badger")
    expect(hits.first).to_have_text("The badger")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/document\?id=mammal(/|%2F)badger"))
    expect(page.locator("h1")).to_have_text("The badger")


def test_a_slash_inside_a_field_stays_a_slash(open_page: Opener, zoo: str) -> None:
    page = open_page(f"/c/{zoo}")
    page.locator("#q").press_sequentially("a/b")
    expect(page.locator("#q")).to_have_value("a/b")


def test_back_and_forward_go_through_searches_not_letters(open_page: Opener, zoo: str) -> None:
    page = open_page("/")
    page.select_option("[data-collection]", zoo)
    expect(page).to_have_url(re.compile(rf"/c/{zoo}$"))
    page.locator("#q").press_sequentially("heron", delay=250)  # slower than the debounce: several requests, one entry
    expect(page.locator("[data-hit]").first).to_have_text("The heron")
    page.keyboard.press("Enter")
    page.locator("#q").fill("otter")
    expect(page.locator("[data-hit]").first).to_have_text("The otter")
    page.go_back()
    expect(page.locator("#q")).to_have_value("heron")
    expect(page.locator("[data-hit]").first).to_have_text("The heron")
    page.go_back()
    expect(page.locator("#q")).to_have_value("")
    expect(page.locator("[data-hit]")).to_have_count(0)
    page.go_forward()
    expect(page.locator("[data-hit]").first).to_have_text("The heron")
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", name="Search by meaning")).to_be_visible()


def test_an_old_answer_never_replaces_a_newer_one(open_page: Opener, zoo: str) -> None:
    page = open_page(f"/c/{zoo}")
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if "q=heron" in route.request.url and not held:
            held.append(route)
        else:
            route.fallback()

    given_up: list[str] = []
    page.on("requestfailed", lambda request: given_up.append(request.url))
    page.route("**/results**", hold_first)
    page.locator("#q").fill("heron")
    page.wait_for_timeout(400)
    assert len(held) == 1
    page.locator("#q").fill("otter")
    expect(page.locator("[data-hit]").first).to_have_text("The otter")
    assert ["q=heron" in address for address in given_up] == [True]
    held[0].fallback()
    page.wait_for_timeout(500)
    assert first_hit(page) == "The otter"
    expect(page).to_have_url(re.compile("q=otter"))


def test_typing_fast_asks_the_server_once(open_page: Opener, zoo: str) -> None:
    page = open_page(f"/c/{zoo}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/results" in request.url else None)
    page.locator("#q").press_sequentially("hedgehog", delay=15)
    expect(page.locator("[data-hit]").first).to_have_text("The hedgehog")
    assert len(asked) <= 2, asked


def test_filters_change_results_address_and_chips(open_page: Opener, zoo: str) -> None:
    page = open_page(f"/c/{zoo}?q=stories")
    page.get_by_role("checkbox", name="fish").check()
    expect(page).to_have_url(re.compile(r"q=stories&f\.kind=fish$"))
    expect(page.get_by_role("checkbox", name="fish")).to_be_focused()
    expect(page.locator(".summary")).to_contain_text("that pass the filters")
    page.locator("#filter-year\\.gte").fill("2008")
    page.keyboard.press("Tab")
    expect(page.locator("[data-hit]")).to_have_count(2)
    expect(page.locator("#filter-year\\.lte")).to_be_focused()
    page.locator("#filter-open").select_option("true")
    expect(page.locator("[data-hit]")).to_have_count(1)
    assert first_hit(page) == "The grayling"
    page.locator("#filter-published\\.lte").fill("2026-01-01")
    page.locator("#filter-published\\.lte").blur()
    expect(page.get_by_role("heading", name="Nothing passes these filters")).to_be_visible()
    page.get_by_role("link", name="published up to 2026-01-01 take away").click()
    expect(page.locator("[data-hit]")).to_have_count(1)
    page.get_by_role("link", name="Clear filters").click()
    expect(page.locator("[data-hit]")).to_have_count(10)
    expect(page).to_have_url(re.compile(r"\?q=stories$"))


def test_a_fact_of_a_hit_narrows_the_search(open_page: Opener, zoo: str) -> None:
    page = open_page(f"/c/{zoo}?q=lamprey")
    page.locator(".hit").first.get_by_role("link", name="fish").click()
    expect(page).to_have_url(re.compile(r"q=lamprey&f\.kind=fish$"))
    assert set(page.locator(".facts a[title^='Only kind']").all_inner_texts()) == {"fish"}


def test_a_date_range_counts_its_last_day(open_page: Opener, zoo: str) -> None:
    page = open_page(f"/c/{zoo}?q=stories&f.published.gte=2026-03-15&f.published.lte=2026-03-15")
    expect(page.locator("[data-hit]")).to_have_count(3)


def test_pages_of_results_have_no_gap_and_no_repeat(open_page: Opener, zoo: str) -> None:
    page = open_page(f"/c/{zoo}?q=stories")
    seen: list[str] = []
    for _ in range(3):
        seen += page.locator("[data-hit]").all_inner_texts()
        following = page.get_by_role("link", name="Next page")
        if following.count():
            following.click()
            page.wait_for_load_state()
    assert len(seen) == len(set(seen)) == 30
    expect(page.get_by_role("link", name="Next page")).to_have_count(0)


def test_another_collection_keeps_the_words_and_drops_the_filters(open_page: Opener, site: Site, zoo: str) -> None:
    other = site.collection("other-zoo")
    site.add(other, {"id": "1", "text": "a heron in another place"})
    page = open_page(f"/c/{zoo}?q=heron&f.kind=bird")
    page.select_option("[data-collection]", other)
    expect(page).to_have_url(re.compile(rf"/c/{other}\?q=heron$"))
    expect(page.locator("[data-hit]")).to_have_count(1)
    expect(page.locator("#filters")).to_have_count(0)


def test_a_question_longer_than_the_model_reads_is_told_so(open_page: Opener, zoo: str) -> None:
    page = open_page(f"/c/{zoo}")
    page.locator("#q").fill("heron " * 300)
    expect(page.get_by_text("Your question is longer than the model reads.")).to_be_visible()
    expect(page.get_by_text("It has 300 tokens; everything after the first 256")).to_be_visible()


def test_a_question_of_nothing_but_marks_says_what_to_do(open_page: Opener, watch: Watch, zoo: str) -> None:
    watch.expect("422")
    page = open_page(f"/c/{zoo}")
    page.locator("#q").fill("?!")
    expect(page.locator("[data-problem]")).to_be_visible()
    page.locator("#q").fill("otter")
    expect(page.locator("[data-hit]").first).to_have_text("The otter")


def test_an_empty_collection_says_so_and_leads_on(open_page: Opener, site: Site) -> None:
    name = site.collection("nothing-here")
    page = open_page(f"/c/{name}?q=anything")
    expect(page.get_by_role("heading", name="This collection is empty")).to_be_visible()
    page.get_by_role("link", name="Add files or text").click()
    expect(page.locator("h1")).to_have_text(name)


def test_a_server_that_is_away_is_said_in_the_page(open_page: Opener, watch: Watch, zoo: str) -> None:
    watch.expect("ERR_FAILED")
    page = open_page(f"/c/{zoo}?q=heron")
    page.route("**/results**", lambda route: route.abort())
    page.locator("#q").fill("otter")
    expect(page.get_by_role("heading", name="The server cannot be reached")).to_be_visible()
    page.unroute("**/results**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-hit]").first).to_have_text("The otter")


def test_filters_stand_beside_on_wide_screens_and_above_on_narrow_ones(open_page: Opener, zoo: str) -> None:
    wide = open_page(f"/c/{zoo}?q=heron")
    filters, results = wide.locator("#filters").bounding_box(), wide.locator("#results").bounding_box()
    assert filters is not None
    assert results is not None
    assert filters["x"] >= results["x"] + results["width"]
    expect(wide.get_by_role("checkbox", name="bird")).to_be_visible()
    narrow = open_page(f"/c/{zoo}?q=heron", viewport=NARROW)
    filters, results = narrow.locator("#filters").bounding_box(), narrow.locator("#results").bounding_box()
    assert filters is not None
    assert results is not None
    assert filters["y"] + filters["height"] <= results["y"]
    narrow.get_by_text("Filters", exact=True).click()
    narrow.get_by_role("checkbox", name="bird").check()
    expect(narrow.locator(".chip")).to_contain_text("kind bird")
    expect(narrow.get_by_role("checkbox", name="bird")).to_be_visible()
