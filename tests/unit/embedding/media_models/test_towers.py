"""Vectors of folder models are those that transformers itself makes of the same files."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from services.embedding.media import MediaEmbedder, Picture, Sound
from services.embedding.media_models.pictures import MAX_ASPECT
from services.embedding.registry import ModelRegistry
from services.errors import ModelError
from tests.media_samples import build_clap, build_clip, build_vit, picture, sound

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

PICTURES = [picture(1), picture(2, 90, 40), picture(3, 33, 80)]
TEXTS = ["a cat", "the dog is sleeping in the long grass behind the house of the neighbour", ""]


def _load(name: str) -> MediaEmbedder:
    return cast(MediaEmbedder, ModelRegistry().load(name))


def _unit(rows: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(rows.detach(), dim=1).numpy()


def test_clip_equals_transformers_own_forward(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

    embedder = _load(build_clip(tmp_path))
    model = CLIPModel.from_pretrained(tmp_path).eval()
    processor, tokenizer = CLIPImageProcessorPil.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    for shown in PICTURES:
        inputs = processor(Image.fromarray(shown.pixels), return_tensors="pt")
        expected = _unit(model.get_image_features(**inputs).pooler_output)
        np.testing.assert_allclose(embedder.embed_pictures([shown]), expected, atol=1e-5)
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=24, return_tensors="pt")
    texts = model.get_text_features(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    np.testing.assert_allclose(embedder.embed_queries(TEXTS), _unit(texts.pooler_output), atol=1e-5)
    whole = model(
        **processor([Image.fromarray(shown.pixels) for shown in PICTURES[:1]], return_tensors="pt"),
        input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"],
    )  # fmt: skip
    scores = embedder.embed_pictures(PICTURES[:1]) @ embedder.embed_queries(TEXTS).T
    own = (whole.logits_per_image / model.logit_scale.exp()).detach().numpy()
    np.testing.assert_allclose(scores, own, atol=1e-5)  # a picture and a text are compared as the model was trained to


@pytest.mark.parametrize("pooling", ["", "cls", "mean"])
def test_vit_equals_transformers_own_forward(tmp_path: Path, pooling: str) -> None:
    from transformers import ViTImageProcessorPil, ViTModel

    embedder = _load(build_vit(tmp_path, pooling=pooling))
    model = ViTModel.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    processor = ViTImageProcessorPil.from_pretrained(tmp_path)
    for shown in PICTURES:
        states = model(**processor(Image.fromarray(shown.pixels), return_tensors="pt")).last_hidden_state
        expected = _unit(states[:, 1:].mean(1) if pooling == "mean" else states[:, 0])
        np.testing.assert_allclose(embedder.embed_pictures([shown]), expected, atol=1e-5)
    assert embedder.spec.pooling == (pooling or "cls")


@pytest.mark.parametrize("fusion", [False, True])
def test_clap_equals_transformers_own_forward_of_a_short_clip(tmp_path: Path, fusion: bool) -> None:
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    embedder = _load(build_clap(tmp_path, fusion=fusion))
    model = ClapModel.from_pretrained(tmp_path).eval()
    extractor, tokenizer = ClapFeatureExtractor.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    for heard in (sound(110), sound(700, 1.0), sound(300, 0.2)):
        features = extractor(heard.samples, sampling_rate=16_000, return_tensors="pt")["input_features"]
        own = model.get_audio_features(input_features=features.float(), is_longer=torch.zeros((1, 1), dtype=torch.bool))
        np.testing.assert_allclose(embedder.embed_sounds([heard]), _unit(own.pooler_output), atol=1e-5)
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=embedder.spec.max_tokens, return_tensors="pt")
    texts = model.get_text_features(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    np.testing.assert_allclose(embedder.embed_documents(TEXTS), _unit(texts.pooler_output), atol=1e-5)


def test_a_long_clip_is_the_mean_of_its_windows(tmp_path: Path) -> None:
    embedder = _load(build_clap(tmp_path))
    long = Sound(np.random.default_rng(3).standard_normal(40_000).astype(np.float32) / 5, 16_000)
    step = 16_000
    starts = (0, step, len(long.samples) - step)
    windows = [type(long)(long.samples[start : start + step], 16_000) for start in starts]
    expected = embedder.embed_sounds(windows).mean(axis=0)
    found = embedder.embed_sounds([long])[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


def test_a_line_of_a_picture_is_cut_around_its_middle(tmp_path: Path) -> None:
    embedder = _load(build_vit(tmp_path))
    line = picture(7, 4, 4000)
    left = (4000 - MAX_ASPECT * 4) // 2
    middle = Picture(line.pixels[:, left : left + MAX_ASPECT * 4])
    np.testing.assert_allclose(embedder.embed_pictures([line]), embedder.embed_pictures([middle]), atol=1e-6)


@pytest.mark.parametrize("lost", ["visual_projection.weight", "text_model.embeddings.token_embedding.weight"])
def test_weights_that_lack_a_tensor_are_refused(tmp_path: Path, lost: str) -> None:
    from safetensors.numpy import load_file, save_file

    build_clip(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    del tensors[lost]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lack 1 tensors") as refused:
        _load(str(tmp_path))
    assert refused.value.code == "model-unreadable"
