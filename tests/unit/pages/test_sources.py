"""The page of a collection's sources, without any script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.sources.values import SourceState, SourceStatus, Tally
from tests.apiapp import Api, make_api
from tests.conftest import RedisPair

PAGE = "/c/docs/sources"


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path / "data", source_folders=str(tmp_path)) as made:
        made.collection("docs")
        yield made


def test_sources_are_added_synced_and_removed_by_form(api: Api, tmp_path: Path) -> None:
    assert f'href="{PAGE}"' in api.client.get("/c/docs/manage").text
    empty = api.client.get(PAGE)
    assert "Nothing is followed yet" in empty.text
    assert str(tmp_path) in empty.text
    form = {
        "location": "https://example.org/map.xml",
        "sitemap": "yes",
        "every": "3600",
        "exclude": "private/**, *.pdf",
    }
    answer = api.client.post(PAGE, data=form)
    assert (answer.status_code, answer.location) == (303, f"{PAGE}?done=following")
    collection = api.services.collections.get("docs")
    (made,) = api.services.sources.of_collection(collection.id)
    assert (made.source.kind, made.source.every_s, made.source.exclude) == ("sitemap", 3600, ("private/**", "*.pdf"))
    assert api.client.post(f"{PAGE}/{made.source.name}/sync").location == f"{PAGE}?done=syncing"
    assert api.services.sources.asked() == {made.source.id}
    api.client.post(f"{PAGE}/{made.source.name}/remove", data={"documents": "delete"})
    assert "Being removed" in api.client.get(PAGE).text
    assert api.services.sources.get(collection.id, made.source.name).removal == "delete"


def test_what_is_refused_comes_back_as_it_was_typed(api: Api) -> None:
    answer = api.client.post(PAGE, data={"location": "http://<b>:99/", "every": "0"})
    assert answer.status_code == 422
    assert 'value="http://&lt;b&gt;:99/"' in answer.text
    assert "<b>" not in answer.text
    assert api.client.post(PAGE, data={"location": "https://example.org/", "every": "7"}).status_code == 422
    assert api.client.post(PAGE, data={"location": "/etc"}).status_code == 422
    assert api.client.get("/c/none/sources").status_code == 404


def test_how_far_a_source_is_is_told_in_words(api: Api, tmp_path: Path) -> None:
    api.client.post(PAGE, data={"location": f"{tmp_path}/notes"})
    collection = api.services.collections.get("docs")
    (made,) = api.services.sources.of_collection(collection.id)
    status = SourceStatus(
        SourceState.FAILED,
        1_700_000_000_000,
        items=3,
        tally=Tally(added=3, failed=1),
        error_code="x",
        error="the <disk> is away",
    )
    api.services.sources.save_status(made.source.id, status)
    text = api.client.get(PAGE).text
    for words in ("Could not be read", "3 documents", "1 not taken", "3 added", "the &lt;disk&gt; is away"):
        assert words in text
