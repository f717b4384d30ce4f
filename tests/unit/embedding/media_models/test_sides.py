"""What every model of pictures or sounds promises of those sides, on a tiny one of each family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from services.embedding.media import MediaEmbedder, Picture, Sound
from services.embedding.options import LoadOptions
from services.embedding.registry import ModelRegistry
from services.embedding.vectors import check_vectors
from services.errors import InvalidInput
from tests.media_samples import build_clap, build_clip, build_vit, picture, sound

PICTURES = [
    picture(1), picture(2, 200, 100), picture(3, 7, 5), picture(4, 1, 1), picture(1), picture(5, 2, 300),
    *(picture(n) for n in range(6, 15)),
]  # fmt: skip
SOUNDS = [
    sound(110), sound(440, 0.1, 44_100), sound(220, 3.3, 8_000), Sound(np.zeros(0, np.float32), 16_000),
    Sound(np.zeros(500, np.float32), 22_050), sound(110), Sound(np.full(4000, np.nan, np.float32), 16_000),
]  # fmt: skip
MODELS: dict[str, Callable[[Path], str]] = {"clip": build_clip, "vit": build_vit, "clap": build_clap}

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]


@pytest.fixture(scope="module", params=["clip", "vit", "clap", "mfcc"])
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MediaEmbedder:
    build = MODELS.get(request.param)
    name = build(tmp_path_factory.mktemp("model")) if build else request.param
    return cast(MediaEmbedder, ModelRegistry(LoadOptions(threads=2)).load(name))


def _is_seeing(embedder: MediaEmbedder) -> bool:
    return "image" in embedder.spec.modalities


def _embed(embedder: MediaEmbedder, places: Sequence[int]) -> NDArray[np.float32]:
    if _is_seeing(embedder):
        return embedder.embed_pictures([PICTURES[place] for place in places])
    return embedder.embed_sounds([SOUNDS[place] for place in places])


def _all(embedder: MediaEmbedder) -> range:
    return range(len(PICTURES) if _is_seeing(embedder) else len(SOUNDS))


def test_unit_vectors_of_the_dimension_promised(embedder: MediaEmbedder) -> None:
    vectors = _embed(embedder, _all(embedder))
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(_all(embedder)), embedder.spec.dim)
    check_vectors(vectors, embedder.spec.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert _embed(embedder, ()).shape == (0, embedder.spec.dim)


def test_a_vector_depends_on_its_own_picture_or_sound_alone(embedder: MediaEmbedder) -> None:
    places = _all(embedder)
    together = _embed(embedder, places)
    alone = np.concatenate([_embed(embedder, [place]) for place in places])
    backwards = _embed(embedder, places[::-1])[::-1]
    assert np.abs(together - alone).max() < embedder.runtime.tolerance
    assert np.abs(together - backwards).max() < embedder.runtime.tolerance
    same = 4 if _is_seeing(embedder) else 5
    assert np.abs(together[0] - together[same]).max() < embedder.runtime.tolerance
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_loading_again_gives_the_same_vectors(embedder: MediaEmbedder) -> None:
    again = cast(MediaEmbedder, ModelRegistry(LoadOptions(threads=1)).load(embedder.spec.name))
    assert again.spec == embedder.spec
    assert np.abs(_embed(again, (0, 1, 2)) - _embed(embedder, (0, 1, 2))).max() < embedder.runtime.tolerance


def test_threads_may_call_at_once(embedder: MediaEmbedder) -> None:
    expected = _embed(embedder, (0, 1, 2))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: _embed(embedder, (0, 1, 2)), range(8)))
    assert max(float(np.abs(found - expected).max()) for found in answers) < embedder.runtime.tolerance


def test_what_a_model_does_not_embed_is_refused_by_name(embedder: MediaEmbedder) -> None:
    modalities = embedder.spec.modalities
    if "text" not in modalities:
        for embed in (embedder.embed_queries, embedder.embed_documents):
            with pytest.raises(InvalidInput, match="and no text") as refused:
                embed(["a cat"])
            assert refused.value.code == "no-text-side"
    other = partial(embedder.embed_sounds, SOUNDS[:1])
    if not _is_seeing(embedder):
        other = partial(embedder.embed_pictures, PICTURES[:1])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"and no (pictures|sounds)") as refused:
        other()
    assert refused.value.code == "unsupported-modality"


def test_arrays_of_another_shape_are_refused_by_position(embedder: MediaEmbedder) -> None:
    flat, stereo = Picture(np.zeros((4, 4), np.uint8)), Sound(np.zeros((4, 2), np.float32), 16_000)
    embed = partial(embedder.embed_sounds, [SOUNDS[0], stereo])
    if _is_seeing(embedder):
        embed = partial(embedder.embed_pictures, [PICTURES[0], flat])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"(picture|sound) 1 is an array of .*allowed is") as refused:
        embed()
    assert refused.value.code in ("bad-picture", "bad-sound")
