"""Small static models in both layouts, made by hand and by sentence-transformers itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

WORDS = [
    "[PAD]",
    "[UNK]",
    "the",
    "word",
    "apple",
    "cake",
    "recipe",
    "file",
    "smaller",
    "make",
    "send",
    "a",
    "with",
    "x",
]
DIM = 12


def tokenizer() -> Tokenizer:
    """Whole words, lower case, with the truncation and padding that published tokenizers bring along."""
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.enable_truncation(8)
    made.enable_padding(length=8)
    return made


def table(rows: int = len(WORDS)) -> np.ndarray:
    return np.random.default_rng(3).standard_normal((rows, DIM)).astype(np.float32)


def build_model2vec(folder: Path) -> str:
    """model2vec's own layout."""
    tokenizer().save(str(folder / "tokenizer.json"))
    save_file({"embeddings": table()}, str(folder / "model.safetensors"))
    config = {"model_type": "model2vec", "architectures": ["StaticModel"], "normalize": True, "hidden_dim": DIM}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def build_static_embedding(folder: Path) -> str:
    """sentence-transformers' layout, with prompts."""
    (folder / "0_StaticEmbedding").mkdir()
    tokenizer().save(str(folder / "0_StaticEmbedding" / "tokenizer.json"))
    save_file({"embedding.weight": table()}, str(folder / "0_StaticEmbedding" / "model.safetensors"))
    kind = "sentence_transformers.models."
    steps = [
        {"idx": 0, "name": "0", "path": "0_StaticEmbedding", "type": kind + "StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": kind + "Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(steps))
    prompts = {"prompts": {"query": "a recipe ", "document": ""}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return str(folder)
