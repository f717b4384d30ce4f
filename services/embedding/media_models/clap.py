"""CLAP: texts and sounds in one space.

A clip of up to ten seconds goes through the model as transformers prepares it. For a longer one the library takes
crops at random; here it is cut into windows of that length one behind the other, the last one flush with the end, and
their vectors are averaged, so that a sound has one vector and not another every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.directions import unit_rows
from services.embedding.media import Sound
from services.embedding.media_models.sides import NoPictures
from services.embedding.media_models.sounds import at_rate, sample_sound
from services.embedding.media_models.text_tower import TextSide, TextTower, load_tokenizer
from services.embedding.media_models.torch_folder import check_side, load_model, read_part, settle_memory
from services.embedding.options import LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec

if TYPE_CHECKING:
    from transformers import BatchEncoding, ClapModel

_BATCH_WINDOWS = 4


class SoundTower:
    """Embeds sounds with the audio tower of a ``ClapModel``."""

    def __init__(self, spec: ModelSpec, model: ClapModel, extractor: Any) -> None:
        self._spec = spec
        self._model = model
        self._extractor = extractor

    def embed(self, sounds: Sequence[Sound]) -> NDArray[np.float32]:
        """Vectors of sounds, as ``MediaEmbedder.embed_sounds``."""
        vectors = np.empty((len(sounds), self._spec.dim), dtype=np.float32)
        for row, sound in enumerate(sounds):
            windows = list(self._windows(at_rate(sound, self._extractor.sampling_rate, row)))
            passes = range(0, len(windows), _BATCH_WINDOWS)
            heard = [self._pass(windows[start : start + _BATCH_WINDOWS]) for start in passes]
            vectors[row] = unit_rows(np.concatenate(heard).mean(axis=0, keepdims=True))[0]
        return vectors

    def _windows(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        length = int(self._extractor.nb_max_samples)
        for start in range(0, max(1, len(samples)), length):
            if start + length > len(samples) > length:
                start = len(samples) - length
            yield samples[start : start + length]

    def _pass(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        import torch

        rate = self._extractor.sampling_rate
        # One by one: of a batch without a long clip the library picks one at random and calls it long.
        features = [
            self._extractor(window, sampling_rate=rate, return_tensors="pt")["input_features"] for window in windows
        ]
        is_longer = torch.zeros((len(features), 1), dtype=torch.bool)
        with torch.inference_mode():
            heard = self._model.get_audio_features(input_features=torch.cat(features).float(), is_longer=is_longer)
            return unit_rows(heard.pooler_output.numpy())


class ClapEmbedder(TextSide, NoPictures):
    """A ``MediaEmbedder`` over a loaded ``ClapModel``; queries and documents are treated alike."""

    def __init__(self, spec: ModelSpec, texts: TextTower, sounds: SoundTower) -> None:
        super().__init__(texts)
        self.spec = spec
        self.runtime = Runtime("torch", "fp32", "the only runtime for this family")
        self._sounds = sounds

    def embed_sounds(self, sounds: Sequence[Sound]) -> NDArray[np.float32]:
        """See ``MediaEmbedder.embed_sounds``."""
        return self._sounds.embed(sounds)


def load_clap(spec: ModelSpec, folder: Path, options: LoadOptions) -> ClapEmbedder:
    """The family's loader.

    Raises:
        ModelError: code "model-unreadable" or "model-changed".
    """
    from transformers import ClapFeatureExtractor, ClapModel

    model: ClapModel = load_model(ClapModel, folder)  # type: ignore[assignment]
    extractor = read_part(folder, lambda: ClapFeatureExtractor.from_pretrained(str(folder), local_files_only=True))

    def read(features: BatchEncoding) -> NDArray[np.float32]:
        found: NDArray[np.float32] = model.get_text_features(
            input_ids=features["input_ids"], attention_mask=features["attention_mask"]
        ).pooler_output.numpy()
        return found

    texts = TextTower(spec, load_tokenizer(folder), read, options)
    sounds = SoundTower(spec, model, extractor)
    check_side(spec, folder, "texts", lambda: texts.embed(["the sound of something"]))
    check_side(spec, folder, "sounds", lambda: sounds.embed([sample_sound(16_000)]))
    settle_memory()
    return ClapEmbedder(spec, texts, sounds)
