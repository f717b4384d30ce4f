"""A small model of every family, made on the spot: each goes through the embedder's contract."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

Builder = Callable[[Path], str]
"""Trains or initialises a tiny model in an empty folder and returns the name to load it by (mostly the folder)."""

# What the model is -> "module:function" of its builder, and whether loading it needs torch.
BUILDERS: dict[str, tuple[str, bool]] = {
    "sentence-transformers folder": ("tests.families:build_tiny", True),
    "one-hot": ("tests.word_models:build_one_hot", False),
    "bag-of-words": ("tests.word_models:build_bag_of_words", False),
    "tf-idf": ("tests.word_models:build_tf_idf", False),
    "n-grams": ("tests.word_models:build_ngrams", False),
    "co-occurrence": ("tests.word_models:build_co_occurrence", False),
    "word2vec": ("tests.word_models:build_word2vec", False),
    "fasttext": ("tests.word_models:build_fasttext", False),
    "glove": ("tests.word_models:build_glove", False),
    "published word vectors": ("tests.word_models:build_word2vec_file", False),
    "rnn": ("tests.unit.embedding.recurrent.models:build_rnn", False),
    "elmo": ("tests.unit.embedding.recurrent.models:build_elmo", False),
    "static": ("tests.unit.embedding.static.models:build_model2vec", False),
    "static of sentence-transformers": ("tests.unit.embedding.static.models:build_static_embedding", False),
    "bare bert": ("tests.unit.embedding.pretrained.models:build_bert", True),
    "bare t5": ("tests.unit.embedding.pretrained.models:build_t5", True),
    "bare gpt2": ("tests.unit.embedding.pretrained.models:build_gpt2", True),
    "clip": ("tests.media_samples:build_clip", True),
    "clap": ("tests.media_samples:build_clap", True),
}


def build(name: str, folder: Path) -> str:
    """Builds the model of that name."""
    module, _, function = BUILDERS[name][0].partition(":")
    return cast(Builder, getattr(import_module(module), function))(folder)


def build_tiny(folder: Path) -> str:
    """BERT of two layers with prompts, CLS pooling and a Dense step."""
    from tests.models import build_tiny_model

    return str(build_tiny_model(folder))
