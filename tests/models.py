"""Real models for tests: MiniLM, loaded once per test process, and a tiny one with everything that MiniLM lacks."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.options import LoadOptions, prepared_models
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from tests.tiny_bert import tiny_bert, word_piece

DATA = Path(__file__).parent / "data"
MINILM = "all-MiniLM-L6-v2"
TINY_MAX_TOKENS = 24


@cache
def registry() -> ModelRegistry:
    return ModelRegistry(LoadOptions(cache_dir=shared_cache(), prepared_dir=prepared_models(), batch_tokens=2048))


@cache
def torch_registry() -> ModelRegistry:
    """Models on plain torch: there is no folder for converted ones."""
    return ModelRegistry()


def shared_cache() -> Path:
    """Converted models, kept from one run of the tests to the next, by user: converting MiniLM takes 10 s and more."""
    return Path(tempfile.gettempdir()) / f"nearfield-tests-{os.getuid()}" / "model-cache"


def minilm() -> Embedder:
    return registry().load(MINILM)


def canonical() -> tuple[list[str], NDArray[np.float32]]:
    """Texts and the vectors that plain sentence-transformers makes of them (tests/data/canonical_minilm.py)."""
    texts = json.loads((DATA / "canonical_minilm.json").read_text(encoding="utf-8"))["texts"]
    return texts, np.load(DATA / "canonical_minilm.npy")


def build_tiny_model(folder: Path) -> Path:
    """Saves an untrained model: BERT of 2 layers, CLS pooling, Dense to 12 numbers, two prompts, no Normalize."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.base.modules import Transformer as TransformerModule
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertModel

    torch.manual_seed(7)
    base = folder / "base"
    BertModel(tiny_bert(vocabulary=200, positions=64)).save_pretrained(base)
    letters_tokenizer().save_pretrained(base)
    transformer = TransformerModule(str(base), max_seq_length=TINY_MAX_TOKENS)
    pooling = Pooling(32, pooling_mode="cls")
    dense = Dense(in_features=32, out_features=12, activation_function=torch.nn.Tanh())
    model = SentenceTransformer(modules=[transformer, pooling, dense], prompts={"query": "ask: ", "document": "tell: "})
    target = folder / "tiny"
    model.save(str(target), create_model_card=False)
    return target


def letters_tokenizer() -> Any:
    """Knows few words, and letters."""
    return word_piece(["ask", "tell", "the", "ing", ":"], max_tokens=64)
