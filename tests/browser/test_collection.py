"""Making a collection, adding to it, watching the work, and ending it."""

from __future__ import annotations

import re
import signal
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener, Site, Watch


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    page.locator("#files").set_input_files(
        [{"name": name, "mimeType": "text/plain", "buffer": body} for name, body in files]
    )


def test_a_stranger_gets_from_nothing_to_a_result(open_page: Opener, site: Site) -> None:
    site.product.call("DELETE", "/api/v1/collections/first-steps")
    page = open_page("/collections/new")
    page.get_by_label("Name", exact=True).fill("first-steps")
    page.get_by_label("What is in it").fill("Steps")
    page.get_by_label("Name of field 1").fill("year")
    page.get_by_label("Type of field 1").select_option("number")
    page.get_by_role("button", name="Another field").click()
    page.get_by_label("Name of field 2").fill("kind")
    page.get_by_role("button", name="Start the collection").click()
    expect(page.locator("h1")).to_have_text("first-steps")
    expect(page.locator("[data-notice]")).to_contain_text("The collection is ready")
    choose(page, ("walk.txt", b"A walk by the river in spring"), ("run.md", b"# Run\n\nA run over the hill"))
    expect(page.locator("[data-sending]")).to_contain_text("2 taken in")
    site.settle("first-steps")
    expect(page.locator("#documents")).to_contain_text("walk.txt")
    expect(page.locator("#facts")).to_contain_text("2 documents", timeout=15_000)
    page.get_by_role("link", name="Search it").click()
    page.locator("#q").fill("river in spring")
    expect(page.locator("[data-hit]").first).to_have_text("walk.txt")
    status, answer = site.product.call("GET", "/api/v1/collections/first-steps")
    assert (status, answer["fields"]) == (200, {"year": "number", "kind": "tag"})


def many_rows(count: int) -> dict[str, Any]:
    rows = "\n".join(f'{{"id": "{n}", "text": "line number {n} of many lines"}}' for n in range(count))
    return {"name": "rows.ndjson", "mimeType": "text/plain", "buffer": rows.encode()}


def test_progress_of_a_large_upload_comes_by_events(open_page: Opener, watch: Watch, site: Site) -> None:
    watch.expect("ERR_FAILED")
    name = site.collection("many")
    page = open_page(f"/c/{name}/manage")
    worker = site.product.worker.process
    assert worker is not None
    worker.send_signal(signal.SIGSTOP)
    try:
        page.locator("#files").set_input_files([many_rows(1500)])
        progress = page.locator("[data-job] [data-progress]")
        expect(progress).to_contain_text("searchable so far")
        page.route("**/manage", lambda route: route.abort())  # only events can tell now
    finally:
        worker.send_signal(signal.SIGCONT)
    expect(progress).to_contain_text("1,500 of 1,50", timeout=60_000)
    page.unroute("**/manage")
    expect(page.locator("#facts")).to_contain_text("1,500 documents", timeout=20_000)
    expect(page.locator("[data-job][data-finished=no]")).to_have_count(0)


def test_progress_goes_on_without_events(open_page: Opener, watch: Watch, site: Site) -> None:
    watch.expect("503", "events")
    name = site.collection("many-polled")
    page = open_page(f"/c/{name}/manage")
    page.route("**/events", lambda route: route.fulfill(status=503, body="{}"))
    page.locator("#files").set_input_files([many_rows(800)])
    site.settle(name)
    expect(page.locator("#facts")).to_contain_text("800 documents", timeout=20_000)


def test_dropped_files_and_folders_are_taken_in(open_page: Opener, site: Site) -> None:
    name = site.collection("dropped")
    page = open_page(f"/c/{name}/manage")
    transfer = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["dropped from outside"], "drop.txt", { type: "text/plain" }));
            return transfer;
        }"""
    )
    page.dispatch_event("[data-upload]", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("[data-upload]")).to_have_attribute("data-over", "")
    page.dispatch_event("[data-upload]", "drop", {"dataTransfer": transfer})
    expect(page.locator("[data-sending]")).to_contain_text("1 taken in")
    assert page.locator("[data-upload]").get_attribute("data-over") is None
    site.settle(name)


def test_one_bad_file_costs_only_itself(open_page: Opener, watch: Watch, site: Site) -> None:
    watch.expect("422", "415", "413")
    name = site.collection("mixed")
    page = open_page(f"/c/{name}/manage")
    good = [(f"good-{n}.txt", f"good text number {n}".encode()) for n in range(5)]
    choose(page, *good[:3], ("picture.txt", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(200)), *good[3:])
    expect(page.locator("[data-sending]")).to_contain_text("5 taken in, 1 refused", timeout=20_000)
    expect(page.locator("[data-sending] li")).to_have_text(re.compile("^picture.txt: this collection's model"))
    site.settle(name)
    choose(page, *good)
    expect(page.locator("[data-sending]")).to_contain_text("5 unchanged")


def test_of_files_with_one_name_only_the_first_is_sent_and_the_other_told(
    open_page: Opener, watch: Watch, site: Site
) -> None:
    watch.expect("422")
    name = site.collection("same-names")
    page = open_page(f"/c/{name}/manage")
    choose(page, ("plan.txt", b"the first plan"), ("other.txt", b"something else"), ("plan.txt", b"the second plan"))
    expect(page.locator("[data-sending]")).to_contain_text("2 taken in, 1 refused", timeout=20_000)
    expect(page.locator("[data-sending] li")).to_contain_text("plan.txt: not sent, because another file of this name")
    # Only the server knows that these are the same: it leaves a slash before a name out.
    choose(page, ("\\twin.txt", b"the first twin"), ("twin.txt", b"the second twin"), ("third.txt", b"a third"))
    expect(page.locator("[data-sending]")).to_contain_text("2 taken in, 1 refused", timeout=20_000)
    site.settle(name)
    _, found = site.product.call("GET", f"/api/v1/collections/{name}/documents")
    for source, text in (("plan.txt", "the first plan"), ("twin.txt", "the first twin")):
        (document,) = [item for item in found["items"] if item["source"] == source]
        page.goto(f"{site.url}/c/{name}/document?id={document['id']}")
        expect(page.locator("main")).to_contain_text(text)


def test_pasted_text_with_fields(open_page: Opener, site: Site) -> None:
    name = site.collection("pasted", fields={"year": "number", "kind": "tag", "open": "boolean"})
    page = open_page(f"/c/{name}/manage")
    page.get_by_text("Paste text instead").click()
    form = page.locator("#paste form")
    form.get_by_label("Text", exact=True).fill("A pasted thought\nabout gardens")
    form.get_by_label("Title").fill("Garden")
    form.get_by_label("year").fill("1999")
    form.get_by_label("kind").fill("note")
    form.get_by_label("open").select_option("true")
    form.get_by_role("button", name="Add the text").click()
    expect(page.locator("[data-notice]")).to_contain_text("Taken in: 1 document")
    expect(page).to_have_url(re.compile(r"/manage\?job=\w+$"))
    site.settle(name)
    page.goto(f"/c/{name}?q=gardens&f.year.gte=1999&f.kind=note&f.open=true")
    expect(page.locator("[data-hit]")).to_have_text("Garden")


def test_a_taken_name_brings_the_form_back_as_it_was(open_page: Opener, watch: Watch, site: Site) -> None:
    watch.expect("409")
    name = site.collection("taken")
    page = open_page("/collections/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("What is in it").fill("My words")
    page.get_by_role("button", name="Start the collection").click()
    expect(page.get_by_role("alert")).to_contain_text("exists already")
    expect(page.get_by_label("What is in it")).to_have_value("My words")


def test_renaming_and_deleting(open_page: Opener, watch: Watch, site: Site) -> None:
    watch.expect("422", "404")
    site.product.call("DELETE", "/api/v1/collections/new-name")
    name = site.collection("old-name")
    page = open_page(f"/c/{name}/manage")
    page.get_by_text("Rename or describe").click()
    page.locator("#new-name").fill("new-name")
    page.locator("#new-description").fill("Described")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("new-name")
    expect(page.get_by_text("Described")).to_be_visible()
    page.get_by_text("Delete the collection").click()
    page.locator("#confirm").fill("old-name")
    page.get_by_role("button", name="Delete everything in it").click()
    expect(page.get_by_role("alert")).to_contain_text("the name did not match".capitalize())
    page.locator("#confirm").fill("new-name")
    page.get_by_role("button", name="Delete everything in it").click()
    expect(page.locator("[data-notice]")).to_have_text("The collection is deleted.")
    page.goto("/c/new-name")
    expect(page.get_by_role("heading", name="There is no such collection")).to_be_visible()


def test_what_failed_says_why_and_can_be_tried_again(open_page: Opener, site: Site) -> None:
    name = site.collection("failing")
    status, _ = site.product.call(
        "POST",
        f"/api/v1/collections/{name}/documents",
        {"id": "x", "text": "<script>1</script>", "media_type": "text/html"},
    )
    assert status == 202
    found = site.settle(name)
    assert found["documents"]["failed"] == 1
    page = open_page(f"/c/{name}/manage")
    page.get_by_role("link", name="Failed 1").click()
    expect(page.locator(".reason")).not_to_be_empty()
    page.get_by_role("button", name="Try again x").click()
    expect(page.locator("[data-notice]")).to_contain_text("Trying again: 1 document")
    site.settle(name)


def test_copying_a_command(open_page: Opener, site: Site) -> None:
    name = site.collection("copied")
    page = open_page(f"/c/{name}/manage", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert f"{site.url}/api/v1/collections/{name}/search" in page.evaluate("navigator.clipboard.readText()")
