"""Every kind of embedding there is, in one table: what it is called, who loads it, who trains it.

A family is added here and nowhere else. Loaders and trainers are named, not imported: torch takes seconds and a
list of models must not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from services.embedding.options import LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.spec import ModelSpec
from services.errors import InvalidInput, ModelError

Setting = str | int | float | bool
Tick = Callable[[], None]
"""Called at least once a second by a trainer; raises when training is to end."""

Loader = Callable[[ModelSpec, Path, LoadOptions], Embedder]
"""Makes an embedder of a resolved spec and its folder (``Path()`` for models without files)."""

Trainer = Callable[[Iterable[str], Mapping[str, Setting], Path, Tick], None]
"""Learns from texts, which can be gone over any number of times, and writes a model folder (``own_folder``).

The folder exists and is empty. Raises InvalidInput: code "bad-training" for a setting out of range or too little text.
"""


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of embedding.

    Attributes:
        name: as it stands in specs, folders and on the command line.
        what: one line for people.
        loader: "module:function", a ``Loader``.
        trainer: "module:function", a ``Trainer``; "" for what is not trained here.
    """

    name: str
    what: str
    loader: str
    trainer: str = ""


_ROOT = "services.embedding."
_CLASSIC = _ROOT + "classic."
_WORDS = _ROOT + "wordvectors."
_RECURRENT = _ROOT + "recurrent."
_STATIC = _ROOT + "static."
_ALL = (
    Family("transformer", "a sentence-transformers model", _ROOT + "backends.choice:load_transformer"),
    Family("provider", "a model of OpenAI, Azure, Cohere or their like", _ROOT + "providers.embedder:load_provider"),
    Family("hash", "random signs for words and their trigrams: no model at all", _ROOT + "hash_embedder:load_hash"),
    Family("clip", "texts and pictures in one space", _ROOT + "media_models.clip:load_clip"),
    Family("vit", "pictures alone", _ROOT + "media_models.vit:load_vit"),
    Family("clap", "texts and sounds in one space", _ROOT + "media_models.clap:load_clap"),
    Family("mfcc", "sounds by their spectrum: no model at all", _ROOT + "media_models.mfcc:load_mfcc"),
    Family(
        "one-hot",
        "which words a text has",
        _CLASSIC + "embedder:load_classic",
        _CLASSIC + "trainers:train_one_hot",
    ),
    Family(
        "bag-of-words",
        "how often a text has each word",
        _CLASSIC + "embedder:load_classic",
        _CLASSIC + "trainers:train_bag_of_words",
    ),
    Family(
        "tf-idf",
        "a text's words, the rarer the heavier",
        _CLASSIC + "embedder:load_classic",
        _CLASSIC + "trainers:train_tf_idf",
    ),
    Family(
        "n-grams",
        "pieces of a text's words: forgives typos",
        _CLASSIC + "embedder:load_classic",
        _CLASSIC + "trainers:train_ngrams",
    ),
    Family(
        "co-occurrence",
        "words by the words that they stand near (PPMI and SVD)",
        _WORDS + "embedder:load_words",
        _CLASSIC + "cooccurrence:train_co_occurrence",
    ),
    Family(
        "word2vec",
        "words by a network that guesses neighbours",
        _WORDS + "embedder:load_words",
        _WORDS + "gensim_training:train_word2vec",
    ),
    Family(
        "fasttext",
        "word2vec with pieces of words: unknown words have vectors too",
        _WORDS + "embedder:load_words",
        _WORDS + "gensim_training:train_fasttext",
    ),
    Family(
        "glove",
        "words whose products give how often they stand together",
        _WORDS + "embedder:load_words",
        _WORDS + "glove:train_glove",
    ),
    Family(
        "rnn",
        "a simple recurrent network that guesses the next word",
        _RECURRENT + "embedder:load_recurrent",
        _RECURRENT + "training:train_rnn",
    ),
    Family(
        "elmo",
        "words by their sentence: two LSTM language models, one reading backward",
        _RECURRENT + "embedder:load_recurrent",
        _RECURRENT + "training:train_elmo",
    ),
    Family(
        "static",
        "a fixed vector per token, taken from a transformer: fast",
        _STATIC + "embedder:load_static",
        _STATIC + "distilling:train_static",
    ),
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in _ALL}


def family_of(name: str) -> Family:
    """The family of that name.

    Raises:
        ModelError: code "model-unsupported".
    """
    found = FAMILIES.get(name)
    if found is None:
        raise ModelError(
            f"there is no family {name[:40]!r}; known are {', '.join(FAMILIES)}; choose another model, or a newer "
            "Nearfield",
            code="model-unsupported",
        )
    return found


def loader_of(name: str) -> Loader:
    """The loader of a family, imported now."""
    return cast(Loader, _attribute(family_of(name).loader))


def trainer_of(name: str) -> Trainer:
    """The trainer of a family, imported now.

    Raises:
        InvalidInput: code "bad-training", the family is not trained here.
    """
    reference = FAMILIES[name].trainer if name in FAMILIES else ""
    if not reference:
        raise InvalidInput(
            f"{name[:40]!r} is no family that can be trained; choose one of {', '.join(trainable())}",
            code="bad-training",
        )
    return cast(Trainer, _attribute(reference))


def trainable() -> tuple[str, ...]:
    """Names of the families that can be trained on a collection."""
    return tuple(family.name for family in _ALL if family.trainer)


def _attribute(reference: str) -> object:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
