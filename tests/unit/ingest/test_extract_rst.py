from __future__ import annotations

import pytest

from services.ingest.extract.rst import extract_rst
from services.ingest.values import Extracted
from tests.evaldata import evaluation_folder

SAMPLE = b"""
==========
Main title
==========

.. This is a comment
   over two lines

   and a blank one

.. _target: http://example.org
.. contents::
   :depth: 2

First section
=============
See :pep:`8`, :func:`~os.path.join`, ``a*b``, `a link <http://example.org>`_, *one* and **two**.
This ends with code::

  def f(*args):
      ``not touched``

      Neither
      -------

Back again. 2 * 3 * 4

.. note:: Be *careful*.
   More of it.

   Still the note.

.. code-block:: python
   :linenos:

   x = `1`

.. [1] A footnote.

Sub section
-----------

=====  =====
A      B
=====  =====
1      2
=====  =====

----

Second section
==============
Short
~~~~
"""


def read(body: bytes) -> Extracted:
    return extract_rst(body, lambda: None)


def test_text_stays_nearly_as_it_stands() -> None:
    found = read(SAMPLE)
    assert found.text == (
        "Main title\n\nFirst section\n\nSee PEP 8, ~os.path.join, a*b, a link, one and two.\nThis ends with code:\n\n"
        "  def f(*args):\n      ``not touched``\n\n      Neither\n      -------\n\nBack again. 2 * 3 * 4\n\n"
        "Be careful.\n   More of it.\n\n   Still the note.\n\n   x = `1`\n\n[1] A footnote.\n\nSub section\n\n"
        "A      B\n1      2\n\nSecond section\n\nShort"
    )


def test_levels_come_in_the_order_of_their_adornments() -> None:
    found = read(SAMPLE)
    assert found.title == "Main title"
    assert [(heading.level, heading.text) for heading in found.headings] == [
        (1, "Main title"),
        (2, "First section"),
        (3, "Sub section"),
        (2, "Second section"),
        (4, "Short"),
    ]
    assert all(found.text[heading.start : heading.end] == heading.text for heading in found.headings)


def test_a_mail_like_header_gives_the_title() -> None:
    found = read(b"PEP: 8\nTitle: Style Guide\nAuthor: A <a@example.org>,\n  B\n\nAbstract\n========\n\ntext\n")
    assert found.title == "PEP 8: Style Guide"
    assert found.text.startswith("PEP: 8\nTitle: Style Guide\n")
    assert [heading.text for heading in found.headings] == ["Abstract"]


def test_several_sections_of_one_level_are_no_title() -> None:
    assert read(b"text\n\nA\n===\n\nB\n===\n").title == ""


@pytest.mark.parametrize(
    "body", [b".. x\n" * 50_000, b"===\n" * 50_000, b"``a " * 50_000, b"a\n====\n" * 20_000, b"*a " * 50_000]
)
def test_hostile_input_comes_to_an_end(body: bytes) -> None:
    assert isinstance(read(body).text, str)


def test_751_real_documents_are_read_without_loss() -> None:
    paths = sorted(evaluation_folder("peps").rglob("*.rst"))
    assert len(paths) > 700
    untitled, kept, given, headings = [], 0, 0, 0
    for path in paths:
        body = path.read_bytes()
        found = read(body)
        assert not found.warnings, path
        assert all(found.text[heading.start : heading.end] == heading.text for heading in found.headings), path
        kept, given, headings = kept + len(found.text), given + len(body), headings + len(found.headings)
        if not found.title:
            untitled.append(path.name)
    assert kept > 0.9 * given
    assert headings > 14_000
    assert len(untitled) <= 1
