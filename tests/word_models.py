"""Small models of the classic and word families, trained on the spot."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from services.embedding.families import Setting, trainer_of

SUBJECTS = ("compress", "recipe", "harbour", "violin")
_SENTENCES = {
    "compress": "compress a file before it is sent then make the file smaller and send it again over the line",
    "recipe": "a recipe for apple cake with cinnamon butter sugar flour and the oven word by word",
    "harbour": "ships leave the harbour at night when the tide is high and fishermen mend their nets",
    "violin": "she plays a violin in the old concert hall while an orchestra tunes its strings",
}
_TOPICS = {subject: sentence.split() for subject, sentence in _SENTENCES.items()}
SMALL: dict[str, dict[str, Setting]] = {
    "one-hot": {"dim": 64},
    "bag-of-words": {"dim": 64},
    "tf-idf": {"dim": 24},
    "n-grams": {"dim": 24},
    "co-occurrence": {"dim": 16},
    "word2vec": {"dim": 16, "epochs": 5},
    "fasttext": {"dim": 16, "epochs": 3, "buckets": 500},
    "glove": {"dim": 16, "epochs": 5},
}


def corpus(count: int = 160) -> list[str]:
    """Texts about four things, each of twelve words of its subject in an order of its own."""
    dice = random.Random(5)
    subjects = list(_TOPICS)
    return [" ".join(dice.choices(_TOPICS[subjects[number % 4]], k=12)) + " the" for number in range(count)]


def train(family: str, folder: Path, settings: Mapping[str, Setting] | None = None) -> Path:
    """Trains a small model on ``corpus()`` in ``folder``."""
    folder.mkdir(exist_ok=True)
    trainer_of(family)(corpus(), {**SMALL[family], **(settings or {})}, folder, lambda: None)
    return folder


def _build(family: str, folder: Path) -> str:
    return str(train(family, folder))


def build_word2vec_file(folder: Path) -> str:
    """A published text file, taken in as a user would."""
    from services.embedding.wordvectors.published.importing import import_word_vectors

    dice = random.Random(9)
    words = sorted({word for topic in _TOPICS.values() for word in topic})
    rows = [" ".join([word, *(f"{dice.gauss(0.2, 1):.5f}" for _ in range(12))]) for word in words]
    path = folder.parent / (folder.name + ".vec")
    path.write_text("\n".join([f"{len(words)} 12", *rows]), encoding="utf-8")
    import_word_vectors(path, folder, tick=lambda: None)
    return str(folder)


build_one_hot = partial(_build, "one-hot")
build_bag_of_words = partial(_build, "bag-of-words")
build_tf_idf = partial(_build, "tf-idf")
build_ngrams = partial(_build, "n-grams")
build_co_occurrence = partial(_build, "co-occurrence")
build_word2vec = partial(_build, "word2vec")
build_fasttext = partial(_build, "fasttext")
build_glove = partial(_build, "glove")
