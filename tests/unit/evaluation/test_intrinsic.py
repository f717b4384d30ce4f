"""Intrinsic checks: figures by hand, the files they are read from, and the command."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import spearmanr

from cli.commands.evaluate import command
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.embedding.wordvectors.published.importing import import_word_vectors
from services.errors import InvalidInput, NotFound
from services.evaluation.intrinsic import analogies, clustering, sentence_similarity, spearman, word_similarity
from services.evaluation.intrinsic_data import Analogy, LabelledText, ScoredPair, find_checks
from tests.evaldata import evaluation_folder
from tests.models import MINILM, minilm
from tests.word_models import corpus

ROYALS = """king 1 1 0 0.1
queen 1 0 1 0.1
man 0 1 0 0.3
woman 0 0 1 0.3
prince 0.9 1 0 0.5
apple 0 0.1 0.1 1
"""


@pytest.fixture(scope="module")
def royal_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("royals")
    file = folder.parent / "royals.txt"
    file.write_text(ROYALS)
    import_word_vectors(file, folder, tick=lambda: None)
    return folder


@pytest.fixture
def royals(royal_folder: Path) -> Embedder:
    return ModelRegistry().load(str(royal_folder))


def test_spearman_is_scipys() -> None:
    dice = np.random.default_rng(1)
    left, right = dice.integers(0, 9, 50).tolist(), dice.integers(0, 9, 50).tolist()
    assert spearman(left, right) == pytest.approx(spearmanr(left, right).statistic)
    assert spearman([1, 1, 1], [1, 2, 3]) == 0
    assert spearman([], []) == 0


def test_word_similarity_takes_the_models_words_and_says_what_it_left_out(royals: Embedder) -> None:
    pairs = [
        ScoredPair("king", "prince", 9),
        ScoredPair("king", "queen", 7),
        ScoredPair("king", "woman", 3),
        ScoredPair("king", "apple", 1),
        ScoredPair("king", "unheard", 8),
    ]
    found = word_similarity(royals, pairs)
    assert (found["pairs"], found["unknown_pairs"]) == (4, 1)
    assert found["spearman"] == pytest.approx(0.8)
    whole = word_similarity(ModelRegistry().load("hash"), pairs)
    assert (whole["pairs"], whole["unknown_pairs"]) == (5, 0)


def test_analogies_leave_the_words_of_the_question_out(royals: Embedder) -> None:
    questions = [
        Analogy("man", "king", "woman", "queen"),
        Analogy("woman", "queen", "man", "king"),
        Analogy("man", "king", "woman", "apple"),
        Analogy("man", "king", "unheard", "queen"),
    ]
    found = analogies(royals, questions)
    assert found == {"accuracy": pytest.approx(2 / 3), "questions": 3, "unknown_questions": 1}
    assert analogies(royals, [])["accuracy"] == 0


def test_capitals_make_no_other_word_of_a_word(royals: Embedder) -> None:
    words = [line.split()[0] for line in ROYALS.splitlines()]
    plain = [Analogy(*four) for four in permutations(words, 4)]
    # each of the questions' words stands in the vocabulary too, without its capital and with the same vector
    capitals = [Analogy(*(word.title() for word in four)) for four in permutations(words, 4)]
    assert analogies(royals, capitals) == analogies(royals, plain)


def test_sentences_and_clusters() -> None:
    embedder = ModelRegistry().load("hash")
    pairs = [
        ScoredPair("a red house", "a red house", 5),
        ScoredPair("a red house", "a red car", 3),
        ScoredPair("a red house", "nothing like it", 0),
    ]
    assert sentence_similarity(embedder, pairs) == {"spearman": pytest.approx(1.0), "pairs": 3}
    texts = [LabelledText(text, str(number % 4)) for number, text in enumerate(corpus())]
    found = clustering(embedder, texts)
    assert found["v_measure"] > 0.8
    assert (found["texts"], found["labels"]) == (160, 4)
    shuffled = [LabelledText(each.text, str(number % 3)) for number, each in enumerate(texts)]
    assert clustering(embedder, shuffled)["rand"] < 0.1


def fill(folder: Path) -> None:
    (folder / "pairs.tsv").write_text("king\tqueen\t7.5\nking\tapple\t1\n")
    (folder / "questions-words.txt").write_text(": family\nman king woman queen\n")
    (folder / "sts").mkdir()
    row = {"sentence1": "the king", "sentence2": "the queen", "score": 3.2}
    (folder / "sts" / "test.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row | {"score": 1}) + "\n")
    labelled = [{"text": text, "label": number % 2} for number, text in enumerate(["king queen", "apple"] * 3)]
    (folder / "groups.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labelled))
    (folder / "README.md").write_text("no check")
    (folder / "notes.txt").write_text("no check at all, this\n")
    (folder / "corpus.jsonl").write_text('{"_id": "1", "text": "no check"}\n')


def test_files_are_known_by_their_first_line(tmp_path: Path) -> None:
    fill(tmp_path)
    found = {check.name: (check.kind, len(check.items)) for check in find_checks(tmp_path)}
    assert found == {
        "groups": ("clusters", 6),
        "pairs": ("words", 2),
        "questions-words": ("analogies", 1),
        "sts/test": ("sentences", 2),
    }


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.tsv", "one\ttwo\t3\none\ttwo\n", 2),
        ("a.tsv", "one\ttwo\t3\none\ttwo\tnan\n", 2),
        ("a.txt", ": x\na b c d\na b c\n", 3),
        ("a.jsonl", '{"text": "a", "label": "b"}\n[]\n', 2),
        ("a.jsonl", '{"text": "a", "label": "b"}\n' + "[" * 90_000, 2),
        ("a.jsonl", '{"text": "a", "label": "b"}\n{"text"\n', 2),
        ("a.jsonl", '{"sentence1": "a", "sentence2": "b", "score": "high"}\n', 1),
    ],
)
def test_a_line_unlike_the_first_is_named(name: str, content: str, line: int, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidInput, match=f"{name}, line {line}:") as refused:
        find_checks(tmp_path)
    assert refused.value.code == "bad-evaluation-file"


def test_a_folder_without_a_check_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no intrinsic check"):
        find_checks(tmp_path)


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_needs_no_instance(
    as_json: bool, royal_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    monkeypatch.setenv("NEARFIELD_DATA_DIR", str(tmp_path / "data"))
    arguments = ["--intrinsic", str(royal_folder), "--data", str(tmp_path), *(["--json"] if as_json else [])]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    if as_json:
        report = json.loads(done.stdout)
        assert report["model"] == str(royal_folder)
        assert {row["name"]: row["kind"] for row in report["checks"]}["pairs"] == "words"
    else:
        assert "accuracy 1.0000, 1 questions" in done.stdout


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_minilm_on_sts_is_as_published() -> None:
    checks = {check.name: check for check in find_checks(evaluation_folder("stsbenchmark"))}
    found = sentence_similarity(minilm(), checks["test"].items)  # type: ignore[arg-type]
    print(json.dumps({"model": MINILM, **found}))
    assert found["spearman"] == pytest.approx(0.8203, abs=0.003)
