from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import InvalidInput, NotFound
from services.evaluation.beir import JudgedDocument, cut, read_beir


def write_set(folder: Path, corpus: list[dict[str, str]], queries: dict[str, str], qrels: str) -> Path:
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in corpus), "utf-8")
    lines = ({"_id": name, "text": text} for name, text in queries.items())
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels, "utf-8")
    return folder


CORPUS = [{"_id": f"d{n}", "title": f"t{n}", "text": f"x{n}"} for n in range(6)]


def test_a_set_is_read_with_the_queries_that_have_judgements(tmp_path: Path) -> None:
    folder = write_set(
        tmp_path, CORPUS, {"q1": "one?", "q2": "two?", "q3": "three?"}, "q1\td4\t1\nq2\td1\t0\nq9\td2\t1\n"
    )
    data = read_beir(folder)
    assert data.queries == {"q1": "one?"}  # q2 has nothing relevant, q3 no judgement, q9 no text
    assert data.qrels == {"q1": {"d4": 1}}
    assert data.documents[0] == JudgedDocument("d0", "t0", "x0")
    assert len(data.documents) == 6


def test_a_cut_keeps_judged_documents_in_the_corpus_order(tmp_path: Path) -> None:
    folder = write_set(tmp_path, CORPUS, {"q1": "one?", "q2": "two?"}, "q1\td4\t1\nq2\td5\t1\nq2\td2\t1\n")
    data = read_beir(folder, limit_documents=2)
    assert [document.id for document in data.documents] == ["d0", "d4"]
    assert list(data.queries) == ["q1"]


@given(
    qrels=st.dictionaries(
        st.sampled_from(["q1", "q2", "q3", "q4"]),
        st.dictionaries(st.sampled_from([f"d{n}" for n in range(8)]), st.just(1), min_size=1),
    ),
    limit=st.integers(1, 10),
)
@settings(max_examples=100)
def test_a_cut_never_keeps_a_query_that_it_made_unanswerable(qrels: dict[str, dict[str, int]], limit: int) -> None:
    documents = [JudgedDocument(f"d{n}", "", "x") for n in range(8)]
    kept, queries = cut(documents, qrels, limit)
    there = {document.id for document in kept}
    assert len(kept) == min(limit, len(documents))
    assert [document for document in documents if document.id in there] == kept
    assert all(set(queries[query]) <= there for query in queries)


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = write_set(tmp_path, CORPUS, {"q1": "one?"}, "q1\td4\t1\n")
    (folder / missing).unlink()
    with pytest.raises(NotFound, match=missing):
        read_beir(folder)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("corpus.jsonl", '{"_id": "a", "text": "x"}\nnonsense\n', "line 2"),
        ("corpus.jsonl", '{"_id": 7, "text": "x"}\n', "line 1"),
        ("queries.jsonl", '["q1"]\n', "line 1"),
        ("qrels/test.tsv", "head\nq1\td1\n", "line 2"),
        ("qrels/test.tsv", "head\n\nq1\td1\tyes\n", "line 3"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, content: str, line: str) -> None:
    folder = write_set(tmp_path, CORPUS, {"q1": "one?"}, "q1\td4\t1\n")
    (folder / name).write_text(content)
    with pytest.raises(InvalidInput, match=line):
        read_beir(folder)


def test_a_set_without_judgements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no query"):
        read_beir(write_set(tmp_path, CORPUS, {"q1": "one?"}, ""))
