"""The questions of the start page keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from services.demo.corpus import demo_documents
from services.demo.docstrings import MODULE
from services.demo.load import FIELDS
from services.embedding.registry import ModelRegistry
from web.pages.examples import EXAMPLES


def test_there_are_five_and_each_is_a_link_to_its_search() -> None:
    assert len(EXAMPLES) == 5
    assert EXAMPLES[0].state.query_string() == "q=shrink+a+file+before+sending+it&f.kind=module"
    assert {key.removeprefix("f.") for example in EXAMPLES for key, _ in example.state.filters} <= set(FIELDS)


def test_no_question_names_what_it_finds() -> None:
    assert not [name for example in EXAMPLES for name in example.modules if name.removesuffix("s") in example.question]


def test_what_is_found_reads_as_a_sentence() -> None:
    assert EXAMPLES[0].finds == "zlib, gzip and bz2"
    assert EXAMPLES[1].finds == EXAMPLES[1].modules[0]


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_asked_of_modules_the_first_page_shows_all_that_were_promised() -> None:
    """With the real model, over every module of the demo."""
    asked = [example for example in EXAMPLES if example.state.filters]
    assert {filters for example in asked for filters in example.state.filters} == {("f.kind", MODULE)}
    modules = [document for document in demo_documents() if document.kind == MODULE]
    assert len(modules) > 100
    embedder = ModelRegistry().load("all-MiniLM-L6-v2")
    # The beginning of a long text stands for its best passage.
    vectors = embedder.embed_documents([f"{module.title}\n{module.text[:1000]}" for module in modules])
    questions = embedder.embed_queries([example.question for example in asked])
    for example, scores in zip(asked, questions @ vectors.T, strict=True):
        found = [modules[row].module for row in np.argsort(-scores)[:10]]
        assert set(example.modules) <= set(found)
