"""A document's page: the passage in its place, the original, what is known of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opener, Site
from tests.browser.samples import NEEDLE_WORDS, long_document


@pytest.fixture(scope="module")
def shelf(site: Site) -> str:
    name = site.collection("shelf")
    site.add(name, long_document(), {"id": "a//b/../c d?#%ü", "title": "Odd id", "text": "odd but fine"})
    return name


def test_a_hit_opens_its_document_with_the_passage_marked_and_in_view(open_page: Opener, shelf: str) -> None:
    page = open_page(f"/c/{shelf}?q={NEEDLE_WORDS}")
    page.locator("[data-hit]").first.click()
    mark = page.locator("mark#passage")
    expect(mark).to_be_in_viewport()
    expect(mark).to_contain_text("🜚 <b>not bold</b> &amp; brewing kettles.")
    expect(page.locator("#q")).to_have_value(NEEDLE_WORDS)
    start, end = (int(found) for found in re.findall(r"(?:start|end)=(\d+)", page.url))
    text = long_document()["text"]
    assert mark.evaluate("mark => mark.textContent") == text[start:end]
    assert page.locator(".text").evaluate("text => text.textContent") == text
    assert page.locator(".text b").count() == 0


def test_without_a_passage_nothing_is_marked(open_page: Opener, shelf: str) -> None:
    page = open_page(f"/c/{shelf}/document?id=long")
    expect(page.locator("mark")).to_have_count(0)
    expect(page.locator("h1")).to_have_text("A long walk")


@pytest.mark.parametrize("offsets", ["start=5&end=2", "start=-1&end=5", "start=x&end=y", "start=9&end=99999999"])
def test_offsets_that_cannot_be_mark_nothing(open_page: Opener, shelf: str, offsets: str) -> None:
    page = open_page(f"/c/{shelf}/document?id=long&{offsets}")
    expect(page.locator("mark")).to_have_count(0)
    expect(page.locator(".text")).to_contain_text("Paragraph 0")


def test_any_id_can_be_opened(open_page: Opener, shelf: str) -> None:
    page = open_page(f"/c/{shelf}?q=odd but fine")
    page.get_by_role("link", name="Odd id").click()
    expect(page.locator(".text")).to_have_text("odd but fine")
    expect(page.locator("aside")).to_contain_text("a//b/../c d?#%ü")


def test_the_original_comes_back_byte_for_byte(open_page: Opener, site: Site) -> None:
    name = site.collection("originals")
    body = "<h1>Grüße</h1><script>document.title = 'ran'</script><p>kept as it was</p>\r\n".encode()
    page = open_page(f"/c/{name}/manage")
    page.locator("#files").set_input_files([{"name": "grüße.html", "mimeType": "text/html", "buffer": body}])
    expect(page.locator("[data-sending]")).to_contain_text("1 taken in")
    site.settle(name)
    page.goto(f"/c/{name}?q=kept as it was")
    page.locator("[data-hit]").first.click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the original").click()
    assert waiting.value.suggested_filename == "grüße.html"
    assert waiting.value.path().read_bytes() == body
    expect(page.locator(".text")).to_contain_text("kept as it was")


def test_deleting_asks_first_and_leads_back_to_the_collection(open_page: Opener, site: Site) -> None:
    name = site.collection("bin")
    site.add(name, {"id": "old", "title": "Old paper", "text": "to be thrown away"})
    page = open_page(f"/c/{name}/document?id=old")
    yes = page.get_by_role("button", name="Yes, delete it")
    expect(yes).not_to_be_visible()
    page.get_by_text("Delete", exact=True).click()
    yes.click()
    expect(page.locator("[data-notice]")).to_have_text("Deleting the document.")
    expect(page).to_have_url(re.compile(rf"/c/{name}/manage$"))
    site.settle(name)
    page.goto(f"/c/{name}?q=thrown")
    expect(page.locator("[data-hit]")).to_have_count(0)
