"""word2vec and fastText, trained by gensim on a collection's texts."""

from __future__ import annotations

import logging
import queue
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from services.embedding.families import Setting, Tick
from services.embedding.training.settings import Real, Rule, Settings, Whole, ordered_pair, read_settings
from services.embedding.training.texts import Counted, Pulse
from services.embedding.words import folded_words
from services.embedding.wordvectors.embedder import MAX_GRAM
from services.embedding.wordvectors.writing import SHARED, Learned, count_words, write_words

WORD2VEC: Mapping[str, Rule] = {
    **SHARED,
    "sg": Whole(1, 0, 1),
    "epochs": Whole(10, 1, 1000),
    "negative": Whole(5, 1, 50),
    "sample": Real(1e-3, 0.0, 1.0),
    "alpha": Real(0.025, 1e-5, 1.0),
}
"""``sg``: 1 skip-gram (guesses the neighbours of a word), 0 CBOW (guesses the word of its neighbours)."""
FASTTEXT: Mapping[str, Rule] = {
    **WORD2VEC,
    "least_gram": Whole(3, 1, MAX_GRAM),
    "most_gram": Whole(6, 1, MAX_GRAM),
    "buckets": Whole(50_000, 100, 4_000_000),
}
_MOST_WORDS = 10_000
"""gensim drops what a sentence has beyond it."""
_AHEAD = 64
_WAIT_S = 0.1


def train_word2vec(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """See ``Trainer``; settings are ``WORD2VEC``."""
    from gensim.models import Word2Vec

    read = read_settings("word2vec", settings, WORD2VEC)
    pulse = Pulse(tick)
    counted = count_words(texts, read, pulse)
    model = Word2Vec(**_shared(read))
    _fit(model, texts, counted, read, pulse)
    write_words(Learned(counted, _in_order(model.wv, counted)), texts, read, folder, pulse)


def train_fasttext(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """See ``Trainer``; settings are ``FASTTEXT``."""
    from gensim.models import FastText

    read = read_settings("fasttext", settings, FASTTEXT)
    least, most = ordered_pair(read, "least_gram", "most_gram")
    pulse = Pulse(tick)
    counted = count_words(texts, read, pulse)
    model = FastText(min_n=least, max_n=most, bucket=read.whole("buckets"), **_shared(read))
    _fit(model, texts, counted, read, pulse)
    table = np.ascontiguousarray(model.wv.vectors_ngrams, dtype=np.float32)
    learned = Learned(counted, _in_order(model.wv, counted), subwords=table, grams=(least, most))
    write_words(learned, texts, read, folder, pulse)


def _shared(settings: Settings) -> dict[str, Any]:
    """gensim's arguments. One worker and a hash that is not Python's: the same texts give the same vectors."""
    return {
        "vector_size": settings.whole("dim"),
        "window": settings.whole("window"),
        "sg": settings.whole("sg"),
        "negative": settings.whole("negative"),
        "sample": settings.real("sample"),
        "alpha": settings.real("alpha"),
        "seed": settings.whole("seed"),
        "epochs": settings.whole("epochs"),
        "min_count": 1,
        "workers": 1,
        "hashfxn": _stable_hash,
    }


def _stable_hash(text: str) -> int:
    return zlib.crc32(text.encode("utf-8"))


def _in_order(vectors: Any, counted: Counted) -> Any:
    rows = [vectors.key_to_index[word] for word in counted.terms]
    return np.ascontiguousarray(vectors.vectors[rows], dtype=np.float32)


def _fit(model: Any, texts: Iterable[str], counted: Counted, settings: Settings, pulse: Pulse) -> None:
    """Trains in a thread. Texts are read and ``tick`` is called here, and what they raise ends the training first."""
    logging.getLogger("gensim").setLevel(logging.ERROR)
    vocabulary = dict(zip(counted.terms, counted.counts, strict=True))
    model.build_vocab_from_freq(vocabulary, corpus_count=counted.texts)
    epochs = settings.whole("epochs")
    feed = _Feed()
    failed: list[BaseException] = []

    def train() -> None:
        try:
            model.train(feed, total_examples=counted.texts, epochs=epochs)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            failed.append(error)

    thread = threading.Thread(target=train, name="word-training", daemon=True)
    thread.start()
    try:
        for _ in range(epochs):
            for text in texts:
                if failed:  # nobody reads any more: the rest of the texts need not be gone over
                    raise failed[0]
                feed.give(folded_words(text), thread, pulse)
            feed.give(None, thread, pulse)
        while thread.is_alive():
            pulse.beat()
            thread.join(_WAIT_S)
    finally:
        feed.stop()
        thread.join()
    for error in failed:
        raise error


class _Feed:
    """The texts' words as gensim goes over them, once for every epoch, from threads of its own."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[list[str] | None] = queue.Queue(_AHEAD)
        self._stopped = False

    def give(self, words: list[str] | None, reader: threading.Thread, pulse: Pulse) -> None:
        """Hands on a text's words, or None at an epoch's end; waits while enough are waiting and somebody reads."""
        parts: list[list[str] | None] = [None]
        if words is not None:
            parts = [words[start : start + _MOST_WORDS] for start in range(0, len(words), _MOST_WORDS)]
        for part in parts:
            while reader.is_alive():
                pulse.beat()
                try:
                    self._waiting.put(part, timeout=_WAIT_S)
                    break
                except queue.Full:
                    continue

    def stop(self) -> None:
        """Ends this epoch and all that follow at once."""
        self._stopped = True

    def __iter__(self) -> Iterator[list[str]]:
        while not self._stopped:
            try:
                part = self._waiting.get(timeout=_WAIT_S)
            except queue.Empty:
                continue
            if part is None:
                return
            yield part
