from __future__ import annotations

import io
import random
import zipfile

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from services.errors import InvalidInput
from services.ingest.extract.pptx import extract_pptx
from services.ingest.values import BlockKind, PageMark
from tests.unit.ingest.extract.office_samples import blocks_of, read, zip_of

PLACE = (Inches(1), Inches(2), Inches(4), Inches(2))


def saved(presentation: pptx.presentation.Presentation) -> bytes:
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


def deck() -> bytes:
    deck = pptx.Presentation()
    deck.core_properties.title = "Harbours"
    deck.core_properties.author = "Ada Quay"
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Cranes"
    first.placeholders[1].text = "They stand.\nThey turn."
    first.notes_slide.notes_text_frame.text = "Say it slowly."
    deck.slides.add_slide(deck.slide_layouts[6])
    third = deck.slides.add_slide(deck.slide_layouts[5])
    third.shapes.title.text = "Figures"
    table = third.shapes.add_table(2, 2, *PLACE).table
    for n, word in enumerate(["name", "tons", "Big Tom", "40"]):
        table.cell(n // 2, n % 2).text = word
    group = third.shapes.add_group_shape()
    group.shapes.add_textbox(*PLACE).text_frame.text = "inside a group"
    data = CategoryChartData()
    data.categories = ["2024", "2025"]
    data.add_series("ships", (3, 5))
    chart = third.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *PLACE, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Arrivals"
    return saved(deck)


DECK = deck()


def code_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        extract_pptx(body, lambda: None)
    return raised.value.code


def without(name: str, content: bytes = b"") -> bytes:
    """The deck with one member replaced; left out where ``content`` is empty."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(DECK)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
            elif content:
                new.writestr(member, content)
    return file.getvalue()


def test_slides_are_pages_with_their_titles_tables_charts_and_notes() -> None:
    found = read(extract_pptx, DECK)
    assert found.text == (
        "Cranes\n\nThey stand.\nThey turn.\n\nNotes: Say it slowly.\n\nFigures\n\nname | tons\nBig Tom | 40\n\n"
        "inside a group\n\nArrivals\n\n | 2024 | 2025\nships | 3 | 5"
    )
    assert found.pages == (PageMark(0, 1), PageMark(found.text.index("Figures"), 3))
    assert [heading.text for heading in found.headings] == ["Cranes", "Figures"]
    assert blocks_of(found, BlockKind.TABLE)[0] == "name | tons\nBig Tom | 40"
    assert (found.title, found.author) == ("Harbours", "Ada Quay")


def test_a_damaged_slide_becomes_a_warning() -> None:
    found = read(extract_pptx, without("ppt/slides/slide1.xml", b"<p:sld"))
    assert found.text.startswith("Figures")
    assert found.warnings == ("slide 1 could not be read",)


def test_a_bomb_in_a_slide_is_no_warning() -> None:
    solid = {f"media/{n}": random.Random(n).randbytes(1_100_000) for n in range(3)}
    body = io.BytesIO(without("ppt/slides/slide1.xml", b" " * 3_000_000))
    with zipfile.ZipFile(body, "a") as archive:
        for name, content in solid.items():
            archive.writestr(name, content)
    assert code_of(body.getvalue()) == "zip-bomb"


def test_entities_are_refused() -> None:
    xml = b"<!DOCTYPE p [<!ENTITY a 'ha'>]><p:presentation xmlns:p='p'>&a;</p:presentation>"
    assert code_of(zip_of({"ppt/presentation.xml": xml})) == "damaged-file"


def test_broken_ones_are_told() -> None:
    assert code_of(DECK[: len(DECK) // 2]) == "damaged-file"
    assert code_of(b"PK") == "damaged-file"
    assert code_of(saved(pptx.Presentation())) == "no-text"
