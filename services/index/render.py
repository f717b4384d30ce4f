"""Commands of the Query Engine as lists of arguments. Pure: this module talks to nobody.

No value ever stands in query text: tags, numbers, the vector, k and EF_RUNTIME are bound with PARAMS under DIALECT 2.
What does stand there are attribute names, made from declared field names that hold only letters, digits and "_".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.collections.values import Algorithm, Collection, FieldType
from services.ids import chunk_prefix, index_name
from services.index.filter_form import negates, pushed_down
from services.index.filters import AllOf, AnyOf, Filter, InRange, Not, TagIn
from services.index.metadata import IndexedValue
from services.index.tags import encode_tag

Argument = str | bytes | int

VECTOR, DOCUMENT = "v", "d"
TEXT, START, END, HEADING, PAGE = "t", "s", "e", "h", "p"
DISTANCE = "distance"
GRAPH_LINKS = 16
GRAPH_BUILD_EFFORT = 200
UNION_PARTS = 16
MAX_NEIGHBOURS = 10_000  # the Query Engine's own limit where it is started through its wrapper script
_FIELD_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class NearestQuery:
    """A nearest-neighbour query. ``vector`` is in the index's number type; ``without`` are hashes of documents."""

    vector: bytes
    k: int
    ef_runtime: int
    timeout_ms: int
    filter: Filter | None = None
    without: Sequence[str] = ()


def attribute(field: str) -> str:
    """The name of a declared field in chunk hashes and in the index.

    Raises:
        ValueError: a name that could be read as query text; collections refuse such names when they are created.
    """
    if not _FIELD_NAME.fullmatch(field):
        raise ValueError(f"field name {field!r} must not stand in a query")
    return f"f_{field}"


def name_of(collection: Collection) -> str:
    """The name of a collection's live index."""
    return index_name(collection.id, collection.version, collection.fingerprint)


def create_index(collection: Collection) -> list[Argument]:
    """FT.CREATE for a collection. STOPWORDS 0: with stop words some queries crash RediSearch before 2.10.6."""
    vector: list[Argument] = ["TYPE", collection.vector_type.upper(), "DIM", collection.dim]
    vector += ["DISTANCE_METRIC", "COSINE"]
    if collection.algorithm is Algorithm.HNSW:
        vector += ["M", GRAPH_LINKS, "EF_CONSTRUCTION", GRAPH_BUILD_EFFORT]
    command: list[Argument] = ["FT.CREATE", name_of(collection), "ON", "HASH"]
    command += ["PREFIX", 1, chunk_prefix(collection.id, collection.version), "STOPWORDS", 0, "SCHEMA"]
    command += [DOCUMENT, "TAG", "CASESENSITIVE"]
    command += [VECTOR, "VECTOR", collection.algorithm.upper(), len(vector), *vector]
    for field in collection.fields:
        numeric = field.type in (FieldType.NUMBER, FieldType.DATE)
        command += [attribute(field.name), *(["NUMERIC"] if numeric else ["TAG", "CASESENSITIVE"])]
    return command


def search_nearest(collection: Collection, query: NearestQuery) -> list[Argument]:
    """FT.SEARCH for the ``k`` nearest chunks, nearest first, with the distance as the only returned field.

    Without SORTBY the order would not be by distance, and without LIMIT ten would come back.
    """
    parameters = _Parameters()
    condition = _condition(query, parameters)
    knn = f"KNN ${parameters.add(query.k)} @{VECTOR} ${parameters.add(query.vector)}"
    if collection.algorithm is Algorithm.HNSW:
        knn += f" EF_RUNTIME ${parameters.add(max(query.ef_runtime, query.k))}"
    command: list[Argument] = ["FT.SEARCH", name_of(collection), f"{condition}=>[{knn} AS {DISTANCE}]"]
    command += ["RETURN", 1, DISTANCE, "SORTBY", DISTANCE, "ASC", "LIMIT", 0, query.k]
    command += ["TIMEOUT", query.timeout_ms, "PARAMS", 2 * len(parameters.values)]
    for name, value in parameters.values.items():
        command += [name, value]
    return [*command, "DIALECT", 2]


def indexed_fields(values: Mapping[str, IndexedValue]) -> dict[str, str]:
    """The members of a chunk hash that carry a document's declared fields."""
    return {attribute(name): _indexed_text(value) for name, value in values.items()}


def number_text(number: float) -> str:
    """A float as the Query Engine reads it back: the shortest text that gives the same double."""
    if math.isinf(number):
        return "+inf" if number > 0 else "-inf"
    return repr(number)


def _indexed_text(value: IndexedValue) -> str:
    if isinstance(value, float):
        return number_text(value)
    return ",".join(encode_tag(tag) for tag in value)


class _Parameters:
    """Collects values and hands out the names they are bound to."""

    def __init__(self) -> None:
        self.values: dict[str, Argument] = {}

    def add(self, value: Argument) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return name


def _condition(query: NearestQuery, parameters: _Parameters) -> str:
    without = _tags(DOCUMENT, query.without, parameters) if query.without else ""
    if query.filter is None:
        return f"((-{without}))" if without else "*"
    return _filter(query.filter, parameters, unless=without)


def _filter(filter_: Filter, parameters: _Parameters, *, unless: str) -> str:
    """A filter in a form that the engine evaluates right; ``unless`` is what must not be met, "" for nothing."""
    form = pushed_down(filter_)
    parts = form.parts if isinstance(form, AllOf) else (form,)
    unmet = [unless] if unless else []
    if isinstance(form, AnyOf) and not unmet:
        return f"({_render(form, parameters)})"
    if any(negates(part) and not isinstance(part, Not) for part in parts):
        return f"(-{any_of([*(_opposite(part, parameters) for part in parts), *unmet])})"
    met = [_render(part, parameters) for part in parts if not isinstance(part, Not)]
    unmet = [_opposite(part, parameters) for part in parts if isinstance(part, Not)] + unmet
    return f"({' '.join([*met, f'(-{any_of(unmet)})'] if unmet else met)})"


def _render(form: Filter, parameters: _Parameters) -> str:
    """A part of a filter that was pushed down, in the form it may have anywhere (``filter_form``)."""
    match form:
        case AllOf(parts) if negates(form):
            return f"(-{any_of([_opposite(part, parameters) for part in parts])})"
        case AllOf(parts):
            return "(" + " ".join(_render(part, parameters) for part in parts) + ")"
        case AnyOf(parts):
            return any_of([_render(part, parameters) for part in parts])
        case Not(part):
            return f"(-({_render(part, parameters)}))"
        case TagIn(field, values):
            return _tags(attribute(field), [encode_tag(value) for value in values], parameters)
        case InRange(field, low, high):
            bounds = f"${parameters.add(number_text(low))} ${parameters.add(number_text(high))}"
            return f"@{attribute(field)}:[{bounds}]"


def _opposite(form: Filter, parameters: _Parameters) -> str:
    return _render(pushed_down(form, negated=True), parameters)


def any_of(parts: Sequence[str]) -> str:
    """The condition that one of ``parts`` holds, none of which is a union itself.

    From 20 parts on the Query Engine reads a union through a heap, and then a negation in a part is passed over, and
    two in one part hold the server for good (2.10.5). So no union has more than 16 parts: some become unions in it, and
    never the first one, which its parser would dissolve.
    """
    if len(parts) <= UNION_PARTS:
        return f"({'|'.join(parts)})"
    first, rest = parts[0], parts[1:]
    size = -(-len(rest) // (UNION_PARTS - 1))
    return any_of([first, *(any_of(rest[at : at + size]) for at in range(0, len(rest), size))])


def _tags(name: str, values: Sequence[str], parameters: _Parameters) -> str:
    return f"@{name}:{{{'|'.join('$' + parameters.add(value) for value in values)}}}"
