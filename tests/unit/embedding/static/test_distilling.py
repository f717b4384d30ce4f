"""Static models distilled from a transformer: a tiny one, laid where installed models lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.embedding.families import Setting, trainer_of
from services.embedding.registry import ModelRegistry
from services.errors import InvalidInput
from tests.models import build_tiny_model

TEXTS = ["the cat", "a cat", "ing ing", "the the the"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a transformer named "tiny", without its Dense step."""
    import json

    folder = tmp_path_factory.mktemp("models")
    tiny = build_tiny_model(folder)
    steps = json.loads((tiny / "modules.json").read_text())
    (tiny / "modules.json").write_text(json.dumps([step for step in steps if not step["type"].endswith("Dense")]))
    return folder


def distil(installed: Path, name: str, texts: list[str] | None = None, **settings: Setting) -> Path:
    folder = installed / name
    folder.mkdir()
    trainer_of("static")(texts or [], {"base": "tiny", "dim": 8, **settings}, folder, lambda: None)
    return folder


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_a_distilled_model_is_a_folder_of_both_libraries(installed: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = distil(installed, "both")
    embedder = ModelRegistry().load(str(folder))
    assert (embedder.spec.family, embedder.spec.dim) == ("static", 8)
    reference = SentenceTransformer(str(folder), device="cpu")
    reference[0].tokenizer.no_padding()
    np.testing.assert_allclose(embedder.embed_documents(TEXTS), reference.encode(TEXTS), atol=1e-5)


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_distilling_again_gives_the_same_and_weights_matter(installed: Path) -> None:
    spec = ModelRegistry().spec
    same = [spec(str(distil(installed, name))).fingerprint for name in ("one", "two")]
    assert same[0] == same[1]
    other = distil(installed, "texts", ["the the the the cat"], weights="texts")
    assert spec(str(other)).fingerprint != same[0]
    # "the" is most of the texts: it hardly counts beside a rare word.
    alone, both, the = ModelRegistry().load(str(other)).embed_documents(["z", "the z", "the"])
    assert alone @ both > 0.9 > the @ both


@pytest.mark.model
@pytest.mark.xdist_group("model")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base": "absent"}, "base was 'absent'"),
        ({"base": "../tiny"}, "base was '../tiny'"),
        ({"base": 7}, "base was '7'"),
        ({"dim": 0}, "'dim'"),
        ({"weights": "rare"}, "'weights'"),
        ({"wieghts": "zipf"}, "did you mean 'weights'"),
        ({"weights": "texts"}, "no text has a token"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    settings: dict[str, Setting], said: str, installed: Path, request: pytest.FixtureRequest
) -> None:
    folder = installed / f"refused-{abs(hash(request.node.name))}"
    folder.mkdir()
    with pytest.raises(InvalidInput, match=said) as refused:
        trainer_of("static")([], {"base": "tiny", **settings}, folder, lambda: None)
    assert refused.value.code == "bad-training"
    assert list(folder.iterdir()) == []


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_a_base_with_layers_after_pooling_is_refused(tmp_path: Path) -> None:
    build_tiny_model(tmp_path)
    (tmp_path / "new").mkdir()
    with pytest.raises(InvalidInput, match="Dense") as refused:
        trainer_of("static")([], {"base": "tiny"}, tmp_path / "new", lambda: None)
    assert refused.value.code == "bad-training"
