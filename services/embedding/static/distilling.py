"""Trainer of "static": the vectors that a transformer gives its single tokens, reduced and weighted.

The recipe is Minish's model2vec (github.com/MinishLab/model2vec, van Dongen and Tulkens, 2024): each token of the
vocabulary goes through the transformer alone, the means of its states are turned and cut by PCA, and each vector is
weighted by how rare its token is: a / (a + frequency), with the frequencies that Zipf's law gives a vocabulary in
order of frequency. No text is needed; with texts the frequencies can be theirs.

What is written is a sentence-transformers folder with a StaticEmbedding step, which that library loads as well.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.builtin import MINILM_SPEC, TRANSFORMER
from services.embedding.families import Setting, Tick
from services.embedding.folder_spec import read_folder_spec
from services.embedding.model_files import check_folder, verify_files
from services.embedding.resolving import packaged_folder
from services.embedding.spec import ModelSpec
from services.embedding.static.embedder import TokenizerTokens, read_tokenizer
from services.embedding.static.folder_spec import MODULES, TOKENIZER, WEIGHTS
from services.embedding.training.settings import Choice, Real, Rule, Settings, Whole, bad_training, read_settings
from services.embedding.training.texts import Pulse, batches

ZIPF, TEXTS, NONE = "zipf", "texts", "none"
SETTINGS: Mapping[str, Rule] = {
    "dim": Whole(256, 8, 4096),
    "weights": Choice(ZIPF, (ZIPF, TEXTS, NONE)),
    "sif_a": Real(1e-4, 1e-7, 1.0),
    "skip": Whole(0, 0, 16),
}
"""Settings besides ``base``, the transformer's name. ``skip``: leading principal directions that are left out."""

_UNUSED = re.compile(r"\[unused\d+\]")
_BATCH_TEXTS = 256


@dataclass(frozen=True, slots=True)
class Base:
    """The transformer that is distilled."""

    spec: ModelSpec
    folder: Path


def train_static(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """Distils a transformer. See ``Trainer``; texts are looked at for ``weights="texts"`` alone.

    Raises:
        InvalidInput: code "bad-training".
        ModelError: the base cannot be read.
    """
    given = dict(settings)
    base = _base(given.pop("base", MINILM_SPEC.name), folder)
    read = read_settings("static", given, SETTINGS)
    pulse = Pulse(tick)
    from services.embedding.static.token_states import lone_token_states

    tokenizer = read_tokenizer(base.folder / TOKENIZER)
    tokens = [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    useful = [
        number
        for number, token in enumerate(tokens)
        if token is not None and number not in special and not _UNUSED.fullmatch(token)
    ]
    states = lone_token_states(base.folder, tokenizer, useful, pulse)
    dim = min(read.whole("dim"), states.shape[1] - read.whole("skip"), len(states))
    if dim < 1:
        raise bad_training("static", f"skip leaves nothing of the {states.shape[1]} directions; lower it")
    reduced = _reduced(states, dim, read.whole("skip"))
    pulse.beat()
    weights = _weights(texts, read, TokenizerTokens(tokenizer), useful, len(tokens), pulse)
    table = np.zeros((len(tokens), dim), dtype=np.float32)
    table[useful] = reduced * weights[:, None]
    _write(folder, base, table)


def _base(name: Setting, folder: Path) -> Base:
    """The built-in transformer, or an installed one: those lie where the new model will."""
    if name == MINILM_SPEC.name:
        where = packaged_folder()
        check_folder(where)
        verify_files(where, MINILM_SPEC.file_hashes, remedy="install the package again")
        return Base(MINILM_SPEC, where)
    where = folder.parent / str(name)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", str(name)) or not (where / MODULES).is_file():
        raise bad_training(
            "static",
            f"base was {str(name)[:80]!r}, allowed is {MINILM_SPEC.name!r} or an installed sentence-transformers "
            "model; leave it out or install that model first",
        )
    spec = read_folder_spec(str(name), where, source="installed", revision="")
    steps = [step["type"].rpartition(".")[2] for step in json.loads((where / MODULES).read_text(encoding="utf-8"))]
    path = json.loads((where / MODULES).read_text(encoding="utf-8"))[0].get("path", "")
    if spec.family != TRANSFORMER or set(steps) - {"Transformer", "Pooling", "Normalize"}:
        raise bad_training("static", f"base {str(name)!r} has the steps {steps}; choose one without further layers")
    return Base(spec, where / path)


def _reduced(states: NDArray[np.float32], dim: int, skip: int) -> NDArray[np.float32]:
    """Principal components of the rows, centred, largest first; signs fixed. Shape (rows, dim)."""
    centred = states.astype(np.float64) - states.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, skip : skip + dim]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    components: NDArray[np.float32] = (centred @ (axes * signs)).astype(np.float32)
    return components


def _weights(
    texts: Iterable[str], settings: Settings, counter: TokenizerTokens, useful: list[int], tokens: int, pulse: Pulse
) -> NDArray[np.float32]:
    """a / (a + frequency) of each useful token; ones for "none"."""
    kind = settings.word("weights")
    if kind == NONE:
        return np.ones(len(useful), dtype=np.float32)
    if kind == ZIPF:
        counts = 1.0 / np.arange(2, len(useful) + 2, dtype=np.float64)
    else:
        every = np.zeros(tokens, dtype=np.float64)
        for some in batches(texts, _BATCH_TEXTS, pulse):
            for numbers in counter.numbers(some):
                every += np.bincount(numbers, minlength=tokens)
        counts = every[useful]
        if not counts.sum():
            raise bad_training(
                "static", "weights are to come from texts, and no text has a token; give texts or 'zipf'"
            )
    a = settings.real("sif_a")
    weights: NDArray[np.float32] = (a / (a + counts / counts.sum())).astype(np.float32)
    return weights


def _write(folder: Path, base: Base, table: NDArray[np.float32]) -> None:
    """The list of steps last, so that a folder with one is whole."""
    from safetensors.numpy import save_file

    save_file({"embedding.weight": np.ascontiguousarray(table)}, str(folder / WEIGHTS))
    shutil.copyfile(base.folder / TOKENIZER, folder / TOKENIZER)
    settings = {"model_type": "SentenceTransformer", "prompts": {}, "similarity_fn_name": "cosine"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    module = "sentence_transformers.models."
    steps = [
        {"idx": 0, "name": "0", "path": "", "type": module + "StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": module + "Normalize"},
    ]
    (folder / "1_Normalize").mkdir()
    (folder / MODULES).write_text(json.dumps(steps, indent=1), encoding="utf-8")
