"""Filters in the forms that the Query Engine evaluates right: the same meaning, single negations, narrow unions."""

from __future__ import annotations

import random
import re

from services.index.adapter import RedisIndex
from services.index.filter_form import negates, pushed_down
from services.index.filters import AllOf, AnyOf, Filter, InRange, Not, TagIn, parse_filter
from services.index.oracle import NumpyIndex, matches
from services.index.render import UNION_PARTS, NearestQuery, any_of, search_nearest
from services.redis_clients import Client
from tests.index_samples import directions, make_chunks, make_collection, make_head

COLLECTION = make_collection()
QUERY = directions(1, seed=99)[0]
A, B, C = (TagIn("kind", (name,)) for name in "abc")


def random_filter(chooser: random.Random, depth: int, widest: int = 3) -> Filter:
    kind = chooser.choice(["and", "or", "not", "one"]) if depth else "one"
    if kind == "one":
        if chooser.random() < 0.3:
            return InRange("year", float(chooser.randint(2000, 2010)), float(chooser.randint(2010, 2020)))
        return TagIn("kind", (chooser.choice("abcdef"),))
    if kind == "not":
        return Not(random_filter(chooser, depth - 1, widest))
    parts = tuple(random_filter(chooser, depth - 1, widest) for _ in range(chooser.randint(1, widest)))
    return AllOf(parts) if kind == "and" else AnyOf(parts)


def single_negations(form: Filter) -> bool:
    match form:
        case Not(part):
            return isinstance(part, TagIn | InRange)
        case AllOf(parts) | AnyOf(parts):
            return len(parts) > 1 and all(single_negations(part) and type(part) is not type(form) for part in parts)
    return True


def test_pushing_negations_down_changes_no_meaning() -> None:
    chooser = random.Random(5)
    for _ in range(500):
        filter_ = random_filter(chooser, 4)
        form, opposite = pushed_down(filter_), pushed_down(filter_, negated=True)
        assert single_negations(form)
        assert single_negations(opposite)
        for _ in range(10):
            values = {"kind": tuple(tag for tag in "abcdef" if chooser.random() < 0.5), "year": 2010.0}
            assert matches(filter_, values) is matches(form, values) is not matches(opposite, values)


def test_negations_are_found_at_any_depth() -> None:
    assert negates(AllOf((A, AnyOf((B, Not(C))))))
    assert not negates(AllOf((A, AnyOf((B, C)))))


def test_no_union_is_wide_and_none_begins_with_another() -> None:
    for count in (1, 16, 17, 300, 4000):
        text = any_of([f"@d:{{{number}}}" for number in range(count)])
        assert "((" not in text
        assert re.findall(r"\{(\d+)\}", text) == [str(number) for number in range(count)]
        depth_parts = [0]
        for letter in text:
            if letter == "(":
                depth_parts.append(1)
            elif letter == "|":
                depth_parts[-1] += 1
                assert depth_parts[-1] <= UNION_PARTS
            elif letter == ")":
                depth_parts.pop()


def test_what_must_not_be_met_is_negated_with_the_rest() -> None:
    query = NearestQuery(b"", 5, 10, 1000, AllOf((A, Not(B))), ["0" * 32])
    text = next(each for each in search_nearest(COLLECTION, query) if "=>" in str(each))
    assert str(text).startswith("(@f_kind:{$p1} (-(@f_kind:{$p2}|@d:{$p0})))=>")


def filled(client: Client) -> tuple[RedisIndex, NumpyIndex]:
    both = RedisIndex(client), NumpyIndex()
    for index in both:
        index.create(COLLECTION)
        for number, vector in enumerate(directions(40)):
            metadata = {"kind": ["abcdef"[number % 6], "abcdef"[number % 4]], "year": 2000 + number % 19}
            index.write(COLLECTION, make_head(f"d{number}", metadata=metadata), make_chunks([vector]))
    return both


def test_the_engine_finds_what_plain_logic_finds(index_client: Client) -> None:
    real, exact = filled(index_client)
    chooser = random.Random(8)
    for _ in range(300):
        filter_ = random_filter(chooser, 4, widest=4)
        wanted = [near.doc_hash for near in exact.nearest(COLLECTION, QUERY, k=100, filter=filter_)]
        assert [near.doc_hash for near in real.nearest(COLLECTION, QUERY, k=100, filter=filter_)] == wanted, filter_


def test_many_alternatives_with_negations_neither_leak_nor_hold_the_server(index_client: Client) -> None:
    real, exact = filled(index_client)
    for count in (19, 20, 32):
        parts = [
            {
                "and": [
                    {"not": {"field": "kind", "eq": "abc"[number % 3]}},
                    {"not": {"field": "year", "gte": 2004 + number % 9}},
                ]
            }
            for number in range(count)
        ]
        condition = parse_filter({"or": parts}, COLLECTION)
        wanted = [near.doc_hash for near in exact.nearest(COLLECTION, QUERY, k=100, filter=condition)]
        assert [near.doc_hash for near in real.nearest(COLLECTION, QUERY, k=100, filter=condition)] == wanted
