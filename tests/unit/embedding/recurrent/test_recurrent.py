"""Recurrent language models: contextual vectors, as torch makes them, the same again, refused when broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from services.embedding.families import Setting, trainer_of
from services.embedding.own_folder import MANIFEST, WEIGHTS
from services.embedding.recurrent.cells import Layer, Packing
from services.embedding.recurrent.embedder import RecurrentEmbedder
from services.embedding.registry import ModelRegistry
from services.errors import InvalidInput, ModelError
from tests.architecture.sources import ROOT
from tests.unit.embedding.recurrent.models import corpus, train


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    made: dict[str, str] = {}

    def get(family: str) -> str:
        if family not in made:
            made[family] = train(family, tmp_path_factory.mktemp(family))
        return made[family]

    return get


def loaded(folder: str) -> RecurrentEmbedder:
    embedder = ModelRegistry().load(folder)
    assert isinstance(embedder, RecurrentEmbedder)
    return embedder


def word(embedder: RecurrentEmbedder, text: str, which: str) -> np.ndarray:
    words, vectors = embedder.token_vectors(text)
    return vectors[words.index(which)]


def distance(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.linalg.norm(left - right))


@pytest.mark.parametrize("family", ["rnn", "elmo"])
def test_a_word_has_another_vector_in_another_sentence(folder_of: Callable[[str], str], family: str) -> None:
    embedder = loaded(folder_of(family))
    stage = [word(embedder, f"actors curtain {first} play audience stage", "play") for first in ("theatre", "stage")]
    game = [word(embedder, f"children ball {first} play garden swing", "play") for first in ("swing", "garden")]
    alike = max(distance(*stage), distance(*game))
    across = min(distance(left, right) for left in stage for right in game)
    assert across > 3 * alike, (alike, across)


def test_elmo_sees_what_comes_after_a_word_and_rnn_does_not(folder_of: Callable[[str], str]) -> None:
    before, after = "actors play curtain stage", "actors play garden swing"
    rnn, elmo = loaded(folder_of("rnn")), loaded(folder_of("elmo"))
    np.testing.assert_allclose(word(rnn, before, "play"), word(rnn, after, "play"), atol=1e-6)
    assert np.abs(word(elmo, before, "play") - word(elmo, after, "play")).max() > 1e-3


def test_token_vectors_are_of_the_words_as_written(folder_of: Callable[[str], str]) -> None:
    embedder = loaded(folder_of("elmo"))
    words, vectors = embedder.token_vectors("Actors, PLAY!")
    assert words == ["Actors", "PLAY"]
    assert (vectors.shape, vectors.dtype) == ((2, 16), np.float32)
    words, vectors = embedder.token_vectors("?")
    assert (words, vectors.shape) == ([], (0, 16))
    assert embedder.token_vectors("play " * 100)[1].shape == (64, 16)
    with pytest.raises(InvalidInput):
        embedder.token_vectors("no\ud83d")


def test_texts_of_one_sense_are_nearer(folder_of: Callable[[str], str]) -> None:
    for family in ("rnn", "elmo"):
        query, stage, game = loaded(folder_of(family)).embed_documents(
            ["actors theatre", "audience play curtain stage", "ball play garden sunshine"]
        )
        assert query @ stage > query @ game + 0.1


def test_unknown_words_have_one_vector_and_count_as_words(folder_of: Callable[[str], str]) -> None:
    embedder = loaded(folder_of("rnn"))
    vectors = embedder.embed_documents(["zzyzx", "qwrtz", "zzyzx qwrtz", "actors"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert np.abs(vectors[0] - vectors[3]).max() > 1e-3


@pytest.mark.parametrize("gates", [1, 4])
def test_numpy_does_what_torch_does(gates: int) -> None:
    """Packed sequences through torch's own layers are the reference."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    torch.manual_seed(3)
    layer = (torch.nn.LSTM if gates == 4 else torch.nn.RNN)(6, 6, batch_first=True)
    lengths = [9, 5, 5, 1]
    given = torch.randn(4, 9, 6)
    expected = pad_packed_sequence(layer(pack_padded_sequence(given, lengths, batch_first=True))[0], True)[0]
    state = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    ours = Layer(state["weight_ih_l0"], state["weight_hh_l0"], state["bias_ih_l0"] + state["bias_hh_l0"])
    packing = Packing.of(lengths)
    at = packing.pack([range(10 * text, 10 * text + length) for text, length in enumerate(lengths)])
    states = ours.states(given.numpy()[at // 10, at % 10], packing)
    for text, length in enumerate(lengths):
        np.testing.assert_allclose(states[packing.rows(text)], expected[text, :length].detach().numpy(), atol=1e-6)
    assert (packing.rows(0, backward=True) == packing.rows(0)[::-1]).all()


def test_last_state_pooling(tmp_path: Path) -> None:
    embedder = loaded(train("elmo", tmp_path, pooling="last", epochs=1, common=0))
    assert embedder.spec.pooling == "last"
    text = "actors play garden"
    vectors = embedder.token_vectors(text)[1]
    expected = np.concatenate([vectors[-1, :8], vectors[0, 8:]]) - embedder._pooling.center
    np.testing.assert_allclose(embedder.embed_documents([text])[0], expected / np.linalg.norm(expected), atol=1e-5)


@pytest.mark.parametrize("family", ["rnn", "elmo"])
def test_the_same_texts_and_seed_give_the_same_files(family: str, tmp_path: Path) -> None:
    """Also in another process, where strings hash otherwise; another seed gives another model."""
    code = (
        "import sys; from pathlib import Path; from tests.unit.embedding.recurrent.models import train; "
        "train(sys.argv[1], Path(sys.argv[2]), epochs=1)"
    )
    for name in ("here", "there", "seed"):
        (tmp_path / name).mkdir()
    train(family, tmp_path / "here", epochs=1)
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    subprocess.run(
        [sys.executable, "-c", code, family, str(tmp_path / "there")],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=120,
    )
    train(family, tmp_path / "seed", epochs=1, seed=2)
    specs = [ModelRegistry().spec(str(tmp_path / name)) for name in ("here", "there", "seed")]
    assert specs[0].fingerprint == specs[1].fingerprint
    assert specs[0].fingerprint != specs[2].fingerprint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dim": 0}, "'dim' was '0', allowed is a whole number from 8"),
        ({"epochs": "many"}, "'epochs'"),
        ({"minutes": 0}, "'minutes'"),
        ({"pooling": "max"}, "'mean' or 'last'"),
        ({"hidden": 12}, "no setting 'hidden'"),
        ({"dim": 17}, "even number"),
        ({"min_count": 100_000}, "lower min_count"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Setting], said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        trainer_of("elmo")(corpus(10), settings, tmp_path, lambda: None)
    assert refused.value.code == "bad-training"
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        trainer_of("rnn")(["", "?"], {}, tmp_path, lambda: None)
    assert refused.value.code == "bad-training"


def test_training_is_stopped_by_its_clock(tmp_path: Path) -> None:
    """Whatever the clock raises goes through, and it is asked while the network learns."""

    class Enough(Exception):
        pass

    def ticks() -> Iterator[None]:
        yield None
        raise Enough

    clock = ticks()
    with pytest.raises(Enough):
        trainer_of("rnn")(corpus(), {"epochs": 100, "min_count": 1}, tmp_path, lambda: next(clock))
    assert list(tmp_path.iterdir()) == []


def test_the_time_limit_ends_training_with_a_model(tmp_path: Path) -> None:
    embedder = loaded(train("rnn", tmp_path, minutes=0.01, epochs=100, dim=256))
    steps, planned = embedder.spec.source.split(" steps")[0].rsplit("read in ", 1)[1].split(" of ")
    assert 0 < int(steps.replace(",", "")) <= int(planned.replace(",", ""))


def test_a_sampled_softmax_pulls_as_the_full_one() -> None:
    """Beyond 3,000 words the loss is taken over some of them; its gradient points where that over all does."""
    import torch

    from services.embedding.recurrent.language_model import _Guessing

    rng = np.random.default_rng(4)
    counts = 1e5 / np.arange(1, 9001)
    guessing = _Guessing(counts, seed=1)
    torch.manual_seed(2)
    embedding, states = torch.randn(9000, 8), (torch.randn(600, 8) * 0.3).requires_grad_()
    targets = torch.from_numpy(rng.choice(9000, 600, p=counts / counts.sum()))
    full = torch.autograd.grad(torch.nn.functional.cross_entropy(states @ embedding.T, targets), states)[0]
    sampled = torch.autograd.grad(guessing.loss(states, targets, embedding), states)[0]
    assert float(torch.nn.functional.cosine_similarity(full.flatten(), sampled.flatten(), dim=0)) > 0.95


def test_a_broken_folder_is_refused(folder_of: Callable[[str], str], tmp_path: Path) -> None:
    source = Path(folder_of("elmo"))
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    for change in ({"pooling": "max"}, {"settings": {"layers": 3}}, {"settings": {"layers": "2"}}, {"dim": 18}):
        (tmp_path / MANIFEST).write_text(json.dumps({**manifest, **change}))
        with pytest.raises(ModelError) as refused:
            ModelRegistry().load(str(tmp_path))
        assert refused.value.code == "model-unreadable"
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    body = bytearray((tmp_path / WEIGHTS).read_bytes())
    body[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(body)
    with pytest.raises(ModelError) as refused:
        ModelRegistry().load(str(tmp_path))
    assert refused.value.code == "model-changed"


def test_embedding_needs_no_torch(folder_of: Callable[[str], str]) -> None:
    code = (
        "import sys; from services.embedding.registry import ModelRegistry; "
        "ModelRegistry().load(sys.argv[1]).embed_documents(['play']); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, folder_of("rnn")], cwd=ROOT, check=True, timeout=60)
