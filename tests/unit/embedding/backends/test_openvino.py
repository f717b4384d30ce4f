"""Converted models: as good as the library, found again, made again when damaged, refused when not good enough."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.embedding.backends import converted as converted_models
from services.embedding.backends.calibration import MIN_COSINE, Closeness, calibration_texts, reference_vectors
from services.embedding.backends.choice import load_on
from services.embedding.backends.converted import GRAPH, TOKENIZER, WEIGHTS, Converted, ConvertedModels, read
from services.embedding.backends.machine import Machine, this_machine
from services.embedding.backends.openvino_graph import judge
from services.embedding.backends.openvino_loading import choose_precision
from services.embedding.backends.openvino_runtime import OpenVinoEmbedder
from services.embedding.options import LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.resolving import Resolved
from tests.models import canonical, minilm, torch_registry
from tests.unit.embedding.backends.conftest import PLAIN

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

FAST = Machine("a processor of today", frozenset({"avx512_bf16"}))


def load(tiny: Resolved, cache: Path | None, machine: Machine = PLAIN) -> Embedder:
    return load_on(machine, tiny.spec, tiny.folder, LoadOptions(cache_dir=cache, batch_tokens=2048))


def copy_of(cache: Path, tmp_path: Path, tiny: Resolved) -> tuple[Path, Path]:
    """A cache folder of one's own and the converted model in it."""
    own = shutil.copytree(cache, tmp_path / "cache")
    return own, ConvertedModels(own / "openvino", PLAIN).place(tiny.spec)


def test_a_converted_model_gives_the_vectors_of_the_library(tiny: Resolved, converted: Path) -> None:
    ours, plain = load(tiny, converted), torch_registry().load(str(tiny.folder))
    assert (ours.runtime.name, ours.runtime.precision) == ("openvino", "fp32")
    assert "no bf16 arithmetic" in ours.runtime.why
    assert ours.special_tokens == plain.special_tokens
    texts = [*calibration_texts(), "the thing\n sings ", "the " * 100]
    for mine, theirs in (
        (ours.embed_documents(texts), plain.embed_documents(texts)),
        (ours.embed_queries(texts), plain.embed_queries(texts)),
    ):
        assert float((mine * theirs).sum(axis=1).min()) > 0.99999
    assert [ours.tokens.count(text) for text in texts] == [plain.tokens.count(text) for text in texts]


def test_minilm_keeps_its_canonical_vectors_within_the_gate() -> None:
    embedder = minilm()
    assert embedder.runtime.name == "openvino"
    assert embedder.runtime.precision == ("bf16" if this_machine().bf16 else "fp32")
    texts, vectors = canonical()
    for got in (embedder.embed_documents(texts), embedder.embed_queries(texts)):
        assert float((got * vectors).sum(axis=1).min()) > 0.9998
    moved = np.abs(np.concatenate([embedder.embed_documents([text]) for text in texts]) - got).max()
    assert moved < embedder.runtime.tolerance <= 0.004


def test_many_texts_in_several_windows_keep_their_places(tiny: Resolved, converted: Path) -> None:
    ours = load(tiny, converted)
    texts = [f"{'the thing ' * (number % 7)} number {number}" for number in range(4500)]
    vectors = ours.embed_documents(texts)
    picked = [0, 1, 2047, 2048, 4095, 4096, 4499]
    np.testing.assert_allclose(vectors[picked], ours.embed_documents([texts[each] for each in picked]), atol=1e-5)


def test_with_a_converted_model_torch_is_not_imported(tiny: Resolved, converted: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from services.embedding.backends.choice import load_on\n"
        "from services.embedding.options import LoadOptions\n"
        "from services.embedding.resolving import resolve\n"
        "from tests.unit.embedding.backends.conftest import PLAIN\n"
        "found = resolve(sys.argv[1], models_dir=None, known=())\n"
        "model = load_on(PLAIN, found.spec, found.folder, LoadOptions(cache_dir=Path(sys.argv[2]), device='cpu'))\n"
        "model.embed_documents(['the thing', 'sings'] * 20), model.tokens.count('the thing')\n"
        "print(model.runtime.name, *({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    # tests' own helpers import torch inside functions only; pytest itself does not
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny.folder), str(converted)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["openvino"]


@pytest.mark.parametrize(
    "damage", ["weights cut", "weights changed", "graph gone", "tokenizer empty", "record noise", "format", "figure"]
)
def test_a_damaged_conversion_is_not_taken(tiny: Resolved, converted: Path, tmp_path: Path, damage: str) -> None:
    _, place = copy_of(converted, tmp_path, tiny)
    assert read(place) is not None
    record = place / "made.json"
    content = json.loads(record.read_text())
    match damage:
        case "weights cut":
            (place / WEIGHTS).write_bytes((place / WEIGHTS).read_bytes()[:-100])
        case "weights changed":
            weights = bytearray((place / WEIGHTS).read_bytes())
            weights[len(weights) // 2] ^= 1
            (place / WEIGHTS).write_bytes(weights)
        case "graph gone":
            (place / GRAPH).unlink()
        case "tokenizer empty":
            (place / TOKENIZER).write_text("")
        case "record noise":
            record.write_bytes(b"\xff\x00")
        case "format":
            record.write_text(json.dumps({**content, "format": 0}))
        case "figure":
            content["converted"]["closeness"]["fp32"]["cosine"] = float("nan")
            record.write_text(json.dumps(content))
    assert read(place) is None


def test_a_damaged_conversion_is_made_again(tiny: Resolved, converted: Path, tmp_path: Path) -> None:
    own, place = copy_of(converted, tmp_path, tiny)
    (place / WEIGHTS).write_bytes(b"")
    embedder = load(tiny, own)
    assert embedder.runtime.name == "openvino"
    assert read(place) is not None
    assert [path.name for path in (own / "openvino").iterdir() if path.is_dir()] == [place.name]


def test_another_version_of_a_library_means_another_conversion(
    tiny: Resolved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ConvertedModels(tmp_path / "openvino", PLAIN)
    before, _ = models.get(tiny.spec, lambda _: Converted(refused="one"))
    assert models.get(tiny.spec, lambda _: Converted(refused="two"))[1].refused == "one"
    monkeypatch.setattr(converted_models, "_version", lambda _: "next")
    after, found = models.get(tiny.spec, lambda _: Converted(refused="two"))
    assert (after != before, found.refused) == (True, "two")
    assert not before.exists()
    assert ConvertedModels(tmp_path / "openvino", FAST).place(tiny.spec) != after


def test_a_conversion_that_fails_leaves_nothing(tiny: Resolved, tmp_path: Path) -> None:
    def fail(target: Path) -> Converted:
        (target / GRAPH).write_text("half")
        raise RuntimeError("the power went out")

    models = ConvertedModels(tmp_path / "openvino", PLAIN)
    with pytest.raises(RuntimeError):
        models.get(tiny.spec, fail)
    assert [path for path in (tmp_path / "openvino").iterdir() if path.is_dir()] == []


def test_two_at_once_convert_once(tiny: Resolved, tmp_path: Path) -> None:
    made: list[Path] = []

    def make(target: Path) -> Converted:
        made.append(target)
        return Converted(refused="only once")

    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda _: ConvertedModels(tmp_path / "openvino", PLAIN).get(tiny.spec, make)[1], range(8))
        )
    assert len(made) == 1
    assert {each.refused for each in found} == {"only once"}


def test_a_bad_graph_does_not_pass_the_gate(tiny: Resolved, converted: Path, tmp_path: Path) -> None:
    _, place = copy_of(converted, tmp_path, tiny)
    found = read(place)
    assert found is not None
    reference = reference_vectors(torch_registry().load(str(tiny.folder)))
    good = judge(tiny.spec, place, found, reference, precisions=("fp32",), cores=1)
    assert good["fp32"].good
    weights = bytearray((place / WEIGHTS).read_bytes())
    square = re.compile(r'element_type="f32" shape="32, 32" offset="(\d+)" size="(\d+)"')
    places = [(int(offset), int(size)) for offset, size in square.findall((place / GRAPH).read_text())]
    assert len(places) >= 8
    for offset, size in places:
        matrix = np.frombuffer(weights, dtype=np.float32, count=size // 4, offset=offset)
        weights[offset : offset + size] = (matrix * np.float32(1.5)).tobytes()
    (place / WEIGHTS).write_bytes(weights)
    bad = judge(tiny.spec, place, found, reference, precisions=("fp32",), cores=1)
    assert not bad["fp32"].good
    assert bad["fp32"].cosine < MIN_COSINE


def test_the_fastest_that_is_close_enough_is_chosen_and_says_so() -> None:
    near, far = Closeness(0.99995, 4e-4), Closeness(0.9962, 4e-3)
    taken = choose_precision({"bf16": near, "fp32": near}, asked="auto", machine=FAST)
    assert taken.precision == "bf16"
    assert "0.99995" in taken.why
    refused = choose_precision({"bf16": far, "fp32": near}, asked="bf16", machine=FAST)
    assert refused.precision == "fp32"
    assert "0.99620" in refused.why
    assert choose_precision({"bf16": near, "fp32": near}, asked="fp32", machine=FAST).precision == "fp32"
    assert choose_precision({"bf16": near, "fp32": near}, asked="auto", machine=PLAIN).precision == "fp32"
    assert choose_precision({"bf16": far, "fp32": far}, asked="auto", machine=FAST).precision == ""
    assert choose_precision({"fp32": Closeness(float("nan"), 0)}, asked="auto", machine=FAST).precision == ""


def test_without_a_folder_or_a_graph_torch_takes_over_and_says_why(tiny: Resolved, tmp_path: Path) -> None:
    kept_nowhere = load(tiny, None)
    assert (kept_nowhere.runtime.name, kept_nowhere.runtime.precision) == ("torch", "fp32")
    assert "no folder for converted models" in kept_nowhere.runtime.why
    ConvertedModels(tmp_path / "openvino", PLAIN).get(tiny.spec, lambda _: Converted(refused="it pads on the left"))
    refused = load(tiny, tmp_path)
    assert refused.runtime.name == "torch"
    assert "pads on the left" in refused.runtime.why
    assert not isinstance(refused, OpenVinoEmbedder)
