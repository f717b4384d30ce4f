"""The address of a search holds all of it, and nothing else."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from web.pages.state import MAX_PAGE, SearchState, read_state

VALUES = st.text(min_size=1, max_size=20).map(str.strip).filter(bool)
KEYS = st.sampled_from(["f.kind", "f.year.gte", "f.year.lte", "f.flag"])


@given(
    st.text(max_size=40).map(str.strip),
    st.integers(1, MAX_PAGE),
    st.lists(st.tuples(KEYS, VALUES), max_size=5, unique=True),
)
def test_an_address_brings_back_its_search(query: str, page: int, filters: list[tuple[str, str]]) -> None:
    ordered = sorted(filters, key=lambda pair: ["f.kind", "f.year.gte", "f.year.lte", "f.flag"].index(pair[0]))
    state = SearchState(query, page, tuple(ordered))
    found = read_state(MultiDict(parse_qsl(state.query_string(), keep_blank_values=True)))
    assert (found.query, found.page, sorted(found.filters)) == (state.query, state.page, sorted(state.filters))
    again = read_state(MultiDict(parse_qsl(found.query_string(), keep_blank_values=True)))
    assert again.query_string() == found.query_string()


def test_empty_fields_of_a_form_leave_nothing_in_the_address() -> None:
    args = MultiDict([("q", " a "), ("f.kind", ""), ("f.year.gte", " "), ("f.kind", "class"), ("f.kind", "class")])
    assert read_state(args).query_string() == "q=a&f.kind=class"


def test_other_parameters_are_not_part_of_the_search() -> None:
    assert read_state(MultiDict([("q", "a"), ("done", "saved"), ("utm", "x")])) == SearchState("a")


def test_strange_pages_are_the_first_or_the_last() -> None:
    pages = [
        read_state(MultiDict([("page", given)])).page for given in ("0", "-1", "x", "", "2", "٣", "9" * 30, "4000")
    ]
    assert pages == [1, 1, 1, 1, 2, 1, 1, MAX_PAGE]


def test_every_change_of_a_filter_goes_to_the_first_page() -> None:
    state = SearchState("a", 3, (("f.kind", "class"),))
    assert state.narrowed("f.kind", "module") == SearchState("a", 1, (("f.kind", "class"), ("f.kind", "module")))
    assert state.narrowed("f.kind", "class").filters == state.filters
    assert state.widened("f.kind", "class") == SearchState("a")
    assert state.unfiltered() == SearchState("a")
    assert state.on_page(2).offset == 10
