"""The same product without JavaScript: links and forms are enough for everything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener, Site
from tests.browser.samples import FIELDS, animals


@pytest.fixture
def plain(open_page: Opener) -> Opener:
    def opened(path: str = "/", **options: Any) -> Page:
        return open_page(path, java_script_enabled=False, **options)

    return opened


@pytest.fixture(scope="module")
def zoo(site: Site) -> str:
    name = site.collection("plain-zoo", fields=FIELDS)
    site.add(name, *animals())
    return name


def test_searching_from_the_start_page(plain: Opener, zoo: str) -> None:
    page = plain("/")
    page.locator("select[name=collection]").select_option(zoo)
    page.locator("#q").fill("heron")
    page.locator("#q").press("Enter")
    expect(page).to_have_url(re.compile(rf"/c/{zoo}\?q=heron$"))
    expect(page.locator(".hit-title").first).to_have_text("The heron")


def test_filters_and_pages_leave_a_clean_address(plain: Opener, zoo: str) -> None:
    page = plain(f"/c/{zoo}?q=stories")
    page.get_by_role("checkbox", name="fish").check()
    page.locator("#filter-year\\.lte").fill("2003")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile(r"\?q=stories&f\.kind=fish&f\.year\.lte=2003$"))
    expect(page.locator(".hit")).to_have_count(4)
    page.get_by_role("link", name="Clear filters").click()
    page.get_by_role("link", name="Next page").click()
    expect(page).to_have_url(re.compile(r"\?q=stories&page=2$"))
    expect(page.locator(".hits")).to_have_attribute("start", "11")


def test_changing_the_collection_in_the_form(plain: Opener, site: Site, zoo: str) -> None:
    other = site.collection("plain-other")
    page = plain(f"/c/{zoo}?q=heron&f.kind=bird")
    page.locator("select[name=collection]").select_option(other)
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile(rf"/c/{other}\?q=heron$"))


def test_a_passage_is_in_view_by_its_address_alone(plain: Opener, site: Site) -> None:
    name = site.collection("plain-long")
    text = "\n".join(f"plain line {n}" for n in range(500))
    site.add(name, {"id": "long", "text": text})
    page = plain(f"/c/{name}?q=plain line 400")
    page.locator(".hit-title a").first.click()
    expect(page.locator("mark#passage")).to_be_in_viewport()


def test_the_whole_life_of_a_collection(plain: Opener, site: Site, tmp_path: Path) -> None:
    for name in ("plain-life", "plain-second-life"):
        site.product.call("DELETE", f"/api/v1/collections/{name}")
    page = plain("/collections/new")
    page.get_by_label("Name", exact=True).fill("plain-life")
    page.get_by_role("button", name="Start the collection").click()
    expect(page.locator("h1")).to_have_text("plain-life")
    (tmp_path / "one.txt").write_text("first plain file")
    (tmp_path / "two.txt").write_text("second plain file")
    page.locator("#files").set_input_files([tmp_path / "one.txt", tmp_path / "two.txt"])
    page.get_by_role("button", name="Add the files").click()
    expect(page.locator("[data-notice]")).to_contain_text("Taken in: 2 documents")
    site.settle("plain-life")
    page.get_by_text("Paste text instead").click()
    page.locator("#text").fill("a pasted plain text")
    page.get_by_role("button", name="Add the text").click()
    expect(page.locator("[data-notice]")).to_contain_text("Taken in: 1 document")
    site.settle("plain-life")
    page.goto("/c/plain-life/manage")
    expect(page.locator(".document")).to_have_count(3)
    row = page.locator(".document", has_text="one.txt")
    row.get_by_text("Delete").first.click()
    row.get_by_role("button", name="Yes, delete it").click()
    expect(page.locator("[data-notice]")).to_have_text("Deleting the document.")
    site.settle("plain-life")
    page.get_by_text("Rename or describe").click()
    page.locator("#new-name").fill("plain-second-life")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("plain-second-life")
    expect(page.locator(".document")).to_have_count(2)
    page.get_by_text("Delete the collection").click()
    page.locator("#confirm").fill("plain-second-life")
    page.get_by_role("button", name="Delete everything in it").click()
    expect(page.locator("[data-notice]")).to_have_text("The collection is deleted.")


def test_nothing_is_offered_that_needs_a_script(plain: Opener, zoo: str) -> None:
    page = plain("/")
    for path in ("/", f"/c/{zoo}?q=heron", "/collections/new", f"/c/{zoo}/manage"):
        page.goto(path)
        assert page.locator(".only-script:visible").count() == 0
    expect(page.locator("#folder")).to_be_visible()
