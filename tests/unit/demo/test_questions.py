from __future__ import annotations

import numpy as np
import pytest

from services.demo.corpus import demo_documents, is_early
from services.demo.questions import QUESTIONS
from services.embedding.registry import ModelRegistry


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_the_questions_find_by_meaning_what_they_do_not_name() -> None:
    """With the real model, over the early modules and a twentieth of the others."""
    early = [document for document in demo_documents() if is_early(document)]
    others = [document for document in demo_documents() if not is_early(document)][::20]
    documents = early + others
    embedder = ModelRegistry().load("all-MiniLM-L6-v2")
    vectors = embedder.embed_documents([f"{document.title}\n{document.text}" for document in documents])
    questions = embedder.embed_queries([question.text for question in QUESTIONS])
    for question, scores in zip(QUESTIONS, questions @ vectors.T, strict=True):
        found = [documents[row] for row in np.argsort(-scores)[:10]]
        assert {document.module for document in found} & set(question.answers), question.text
