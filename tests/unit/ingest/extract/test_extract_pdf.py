from __future__ import annotations

import pytest

from services.errors import InvalidInput
from services.ingest.extract.pdf import extract_pdf, pdf_date
from services.ingest.extract.pdf_lines import Line, pieces
from services.ingest.values import PageMark
from tests.unit.ingest.extract.office_samples import lines_of, pdf_of, read

PROSE = [
    "The harbour lay quiet in the early morning and nobody was to be seen on the",
    "quays, where the cranes stood like herons over the black water and the infor-",
    "mation board flickered.",
]
JOINED = (
    "The harbour lay quiet in the early morning and nobody was to be seen on the quays, where the cranes stood like "
    "herons over the black water and the information board flickered."
)


def code_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        extract_pdf(body, lambda: None)
    return raised.value.code


def test_wrapped_lines_become_a_paragraph_and_gaps_stay() -> None:
    found = read(extract_pdf, pdf_of([lines_of(PROSE) + lines_of(["A second paragraph."], top=630)]))
    assert found.text == f"{JOINED}\n\nA second paragraph."


def test_an_indented_line_begins_a_paragraph() -> None:
    found = read(extract_pdf, pdf_of([[*lines_of(PROSE), (90, 664, 10, "Indented words follow.")]]))
    assert found.text == f"{JOINED}\n\nIndented words follow."


def test_rows_of_a_table_stay_rows() -> None:
    rows = [("Bolt M4", "12", "0.35"), ("Nut M4", "300", "0.08"), ("Washer", "1", "0.02")]
    texts = [
        (x, 700 - n * 12, 10, cell) for n, row in enumerate(rows) for x, cell in zip((72, 250, 400), row, strict=True)
    ]
    assert read(extract_pdf, pdf_of([texts])).text == "Bolt M4 12 0.35\nNut M4 300 0.08\nWasher 1 0.02"


def line(text: str, bottom: float, right: float, left: float = 72) -> Line:
    return Line(text, left, bottom, right, bottom + 10)


def test_hyphens_at_the_end_of_a_line_put_words_together() -> None:
    lines = [line("They have all seen the informa\u2010", 100, 230), line("tion boards of the new South-", 88, 230)]
    lines += [line("West harbour, they said and went", 76, 230)]
    assert [piece.text for piece in pieces(lines)] == [
        "They have all seen the information boards of the new South-West harbour, they said and went"
    ]


def test_lines_of_cells_with_much_room_between_them_are_rows() -> None:
    lines = [line("Bolt M4 in a box of a hundred 12", 100, 540), line("Nut M4 in a box of a thousand 9", 88, 540)]
    assert [piece.text for piece in pieces(lines)] == [one.text for one in lines]


def test_pages_have_numbers_and_empty_ones_are_told() -> None:
    found = read(extract_pdf, pdf_of([lines_of(["First."]), [], lines_of(["Third."])]))
    assert found.text == "First.\n\nThird."
    assert found.pages == (PageMark(0, 1), PageMark(8, 3))
    assert found.warnings == ("page 2 of 3 holds no text (a scan or a picture?)",)


def test_a_page_drawn_out_of_order_is_read_from_top_to_bottom() -> None:
    texts = lines_of(["Sum 17", "Thank you"], top=400) + lines_of(["INVOICE", "of May"], top=700)
    assert read(extract_pdf, pdf_of([texts])).text == "INVOICE\nof May\n\nSum 17\nThank you"


def test_columns_keep_the_order_they_were_drawn_in() -> None:
    left = lines_of([f"left {n} one two three four" for n in range(6)])
    right = lines_of([f"right {n} one two three four" for n in range(6)], x=330)
    text = read(extract_pdf, pdf_of([left + right])).text
    assert text.index("left 5") < text.index("right 0")


def test_larger_letters_are_headings() -> None:
    page = [(72, 740, 24, "Harbours"), (72, 710, 16, "At dawn"), *lines_of(PROSE, top=690), *lines_of(PROSE, top=600)]
    found = read(extract_pdf, pdf_of([page]))
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "Harbours"), (2, "At dawn")]
    assert found.title == "Harbours"


def test_bookmarks_are_headings_where_their_words_stand() -> None:
    contents = lines_of(["Contents", "1 Cranes 2", "2 Ships 2"])
    page = [(72, 740, 10, "1 Cranes"), *lines_of(PROSE), (72, 500, 10, "2 Ships"), *lines_of(PROSE, top=450)]
    found = read(extract_pdf, pdf_of([contents, page], marks=[("Cranes", 1), ("Ships", 1)]))
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "1 Cranes"), (1, "2 Ships")]
    assert found.headings[0].start > found.pages[1].start - 1


def test_what_it_says_of_itself() -> None:
    info = {
        "Title": "Microsoft Word - Harbours.docx",
        "Author": "(anonymous)",
        "CreationDate": "D:20240103093826+01'00'",
    }
    found = read(extract_pdf, pdf_of([lines_of(PROSE)], info))
    assert (found.title, found.author, found.date, found.language) == (
        "Harbours",
        "",
        "2024-01-03T09:38:26+01:00",
        "de",
    )


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("D:20161231184323+01'00'", "2016-12-31T18:43:23+01:00"),
        ("D:20230623063933Z", "2023-06-23T06:39:33Z"),
        ("D:20230410074654Z07'46'", "2023-04-10T07:46:54Z"),
        ("20220415113826", "2022-04-15"),
        ("D:2022", "2022-01-01"),
        ("D:99999999999999Z", ""),
        ("D:20221399", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_dates(value: str, date: str) -> None:
    assert pdf_date(value) == date


def test_broken_metadata_does_not_matter() -> None:
    body = pdf_of([lines_of(PROSE)], {"Title": "\x00\x01\x02", "CreationDate": "\\377\\376\\000", "Author": "x" * 5000})
    found = read(extract_pdf, body)
    assert (found.text, found.title, found.date, len(found.author)) == (JOINED, "", "", 300)


def test_a_scan_has_no_text() -> None:
    assert code_of(pdf_of([[], []])) == "no-text"


def test_no_pages_at_all() -> None:
    assert code_of(pdf_of([])) == "damaged-file"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
def test_a_file_that_was_cut_off_is_told_or_read(share: float) -> None:
    body = pdf_of([lines_of(PROSE)] * 3)
    assert code_of(body[: int(len(body) * share)]) == "damaged-file"


def test_one_damaged_page_does_not_take_the_others_along() -> None:
    body = pdf_of([lines_of(["First."]), lines_of(["Second."]), lines_of(["Third."])])
    at = body.index(b"<</Type/Page/", body.index(b"<</Type/Page/") + 1)
    found = read(extract_pdf, body[:at] + b"<</Tipe/Poge/" + body[at + 13 :])
    assert "First." in found.text
    assert "Third." in found.text


def test_it_ticks_for_every_page() -> None:
    ticks: list[int] = []
    extract_pdf(pdf_of([lines_of(PROSE)] * 7), lambda: ticks.append(1))
    assert len(ticks) >= 7
