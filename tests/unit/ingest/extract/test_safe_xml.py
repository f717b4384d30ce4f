from __future__ import annotations

import pytest

from services.errors import InvalidInput
from services.ingest.extract.safe_xml import local_name, parse_xml, release, stream_xml


def test_what_was_released_is_gone() -> None:
    left = []
    for element in stream_xml(b"<a>" + b"<b><c/></b>" * 20_000 + b"</a>", ("{*}b",), what="part"):
        release(element)
        left.append(len(element.getparent()))
    assert max(left) < 10_000  # what was parsed ahead; without release all of it
    assert left[-1] == 1


def test_names_come_without_their_namespace() -> None:
    assert [local_name(node) for node in parse_xml(b"<x xmlns='urn:y'><z/></x>", what="part").iter()] == ["x", "z"]


@pytest.mark.parametrize("part", [b"", b"<a", b"<a></b>", b"\xff\xfe", b"<a>" * 300 + b"</a>" * 300, b"<a>&b;</a>"])
def test_what_is_no_xml_is_told(part: bytes) -> None:
    with pytest.raises(InvalidInput, match="'the/part'") as raised:
        parse_xml(part, what="the/part")
    assert raised.value.code == "damaged-file"
    with pytest.raises(InvalidInput):
        list(stream_xml(part, ("{*}a",), what="the/part"))
