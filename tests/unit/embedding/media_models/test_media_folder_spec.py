"""Folders of pictures and sounds are recognised and described without loading them, and hostile ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.embedding.registry import ModelRegistry
from services.errors import ModelError


def _folder(folder: Path, config: object, **tokenizer: Any) -> str:
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "model.safetensors").write_bytes(b"weights")
    return str(folder)


def test_specs_say_what_is_embedded(tmp_path: Path) -> None:
    clip = {"model_type": "clip", "projection_dim": 512, "text_config": {"max_position_embeddings": 77}}
    spec = ModelRegistry().spec(_folder(tmp_path, clip, model_max_length=64))
    assert (spec.family, spec.dim, spec.max_tokens, spec.modalities) == ("clip", 512, 64, ("text", "image"))
    spec = ModelRegistry().spec(_folder(tmp_path, clip, model_max_length=10**30))
    assert spec.max_tokens == 77
    spec = ModelRegistry().spec(_folder(tmp_path, {"model_type": "vit", "hidden_size": 768}))
    assert (spec.family, spec.dim, spec.pooling, spec.modalities) == ("vit", 768, "cls", ("image",))
    spec = ModelRegistry().spec(_folder(tmp_path, {"model_type": "clap", "projection_dim": 256}))
    assert (spec.family, spec.dim, spec.max_tokens, spec.modalities) == ("clap", 256, 512, ("text", "audio"))


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"model_type": "vit"}, "model-unreadable"),
        ({"model_type": "vit", "hidden_size": 10**9}, "model-unreadable"),
        ({"model_type": "vit", "hidden_size": 8, "nearfield_pooling": "max"}, "model-unreadable"),
        ({"model_type": "clip", "text_config": [1]}, "model-unreadable"),
        ({"model_type": "clip", "text_config": {"max_position_embeddings": -5}}, "model-unreadable"),
    ],
)
def test_configs_that_make_no_sense_are_refused(tmp_path: Path, config: object, code: str) -> None:
    with pytest.raises(ModelError) as refused:
        ModelRegistry().spec(_folder(tmp_path, config))
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling_clip.py", "deep/er/weights.pt"])
def test_pickles_and_code_are_not_opened(tmp_path: Path, name: str) -> None:
    folder = _folder(tmp_path, {"model_type": "vit", "hidden_size": 8})
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(ModelError) as refused:
        ModelRegistry().spec(folder)
    assert refused.value.code == "model-unsafe"


def test_a_folder_without_its_processor_is_incomplete(tmp_path: Path) -> None:
    folder = _folder(tmp_path, {"model_type": "vit", "hidden_size": 8})
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="preprocessor_config") as refused:
        ModelRegistry().spec(folder)
    assert refused.value.code == "model-missing"
