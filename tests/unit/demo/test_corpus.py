from __future__ import annotations

from services.demo.corpus import (
    OWN_DOCUMENT_WORDS,
    DemoDocument,
    demo_documents,
    fold_methods,
    is_early,
)
from services.demo.docstrings import CLASS, FUNCTION, Docstring
from services.demo.links import documentation_url
from services.demo.load import EARLY_SLICE, LATER_SLICE, slices
from services.demo.modules import FIRST
from services.demo.questions import QUESTIONS

LONG = " ".join(["word"] * OWN_DOCUMENT_WORDS)


def function(name: str, text: str, owner: str = "") -> Docstring:
    return Docstring(name, name.partition(".")[0], FUNCTION, name.rpartition(".")[2] + "()", text, owner)


def test_the_corpus_is_several_thousand_real_documents_with_ids_of_their_own() -> None:
    documents = list(demo_documents())
    assert 2500 < len(documents) < 8000
    assert len({document.id for document in documents}) == len(documents)
    assert {document.kind for document in documents} == {"module", "class", "function"}
    assert all(document.title and document.text.strip() and document.module for document in documents)
    by_id = {document.id: document for document in documents}
    assert "gzipped files" in by_id["module:gzip"].text
    assert by_id["module:zlib"].module == "zlib"
    assert by_id["function:textwrap.wrap"].kind == "function"


def test_the_order_is_fixed_and_the_questions_modules_come_first() -> None:
    documents = list(demo_documents())
    assert [document.id for document in documents] == [document.id for document in demo_documents()]
    early = [is_early(document) for document in documents]
    assert early == sorted(early, reverse=True)
    assert documents[0].id == "module:gzip"
    early_modules = [document.module for document, first in zip(documents, early, strict=True) if first]
    assert list(dict.fromkeys(early_modules)) == list(FIRST)


def test_every_question_is_answered_by_an_early_module() -> None:
    assert len(QUESTIONS) == 5
    modules = {document.module for document in demo_documents() if is_early(document)}
    for question in QUESTIONS:
        assert set(question.answers) <= modules
        assert not any(answer in question.text for answer in question.answers)


def test_short_methods_stand_in_their_class_and_long_ones_by_themselves() -> None:
    box = Docstring("toys.Box", "toys", CLASS, "Box", "Holds something until it is wanted.")
    folded = fold_methods(
        [box, function("toys.Box.open", "Opens the box.", "toys.Box"), function("toys.Box.pack", LONG, "toys.Box")]
    )
    assert [(docstring.id, docstring.text) for docstring in folded] == [
        ("class:toys.Box", "Holds something until it is wanted.\n\nopen()\nOpens the box."),
        ("function:toys.Box.pack", LONG),
    ]


def test_a_class_without_words_of_its_own_has_those_of_its_methods() -> None:
    (folded,) = fold_methods([function("toys.Box.open", "Opens the box.", "toys.Box")])
    assert (folded.id, folded.kind, folded.text) == ("class:toys.Box", CLASS, "open()\nOpens the box.")


def test_a_function_of_a_module_is_never_folded() -> None:
    assert [docstring.id for docstring in fold_methods([function("toys.play", "Plays.")])] == ["function:toys.play"]


def test_the_second_definition_of_a_name_is_left_out() -> None:
    folded = fold_methods([function("toys.play", "First."), function("toys.play", "Second.")])
    assert [docstring.text for docstring in folded] == ["First."]


def test_links_lead_to_pages_that_exist() -> None:
    def url(name: str, module: str, kind: str = FUNCTION) -> str:
        return documentation_url(Docstring(name, module, kind, "", ""))

    base = "https://docs.python.org/3/library"
    assert url("gzip.open", "gzip") == f"{base}/gzip.html#gzip.open"
    assert url("gzip", "gzip", "module") == f"{base}/gzip.html"
    assert url("os.path.join", "os.path") == f"{base}/os.path.html#os.path.join"
    assert url("asyncio.tasks.sleep", "asyncio.tasks") == f"{base}/asyncio.html"
    assert url("opcode", "opcode", "module") == ""


def document(module: str) -> DemoDocument:
    return DemoDocument("id", "title", "text", "", module, "function")


def test_slices_are_small_at_first_and_large_later() -> None:
    first, later = document("gzip"), document("turtle")
    sizes = [len(part) for part in slices(iter([first] * (EARLY_SLICE + 5) + [later] * (LATER_SLICE + 7)))]
    assert sizes == [EARLY_SLICE, LATER_SLICE, 12]
    assert list(slices(iter(()))) == []
