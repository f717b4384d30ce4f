"""Model folders without a model: configuration and a few bytes in the place of weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TRANSFORMER = {"path": "", "type": "sentence_transformers.models.Transformer"}
POOLING = {"path": "1_Pooling", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"}
NORMALIZE = {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
DENSE = {"path": "2_Dense", "type": "sentence_transformers.base.modules.dense.Dense"}


def put(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def make_folder(folder: Path, *, modules: list[dict[str, str]] | None = None) -> Path:
    put(folder, "modules.json", [TRANSFORMER, POOLING, NORMALIZE] if modules is None else modules)
    put(folder, "config.json", {"hidden_size": 8, "max_position_embeddings": 512})
    put(folder, "sentence_bert_config.json", {"max_seq_length": 128})
    put(folder, "1_Pooling/config.json", {"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True})
    put(folder, "tokenizer.json", {})
    put(folder, "README.md", "---\nlanguage: en\nlicense: MIT\n---\n# A model\n")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder
