"""ViT: pictures alone, by the first token of a vision transformer or the mean of its patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.embedding.media import Picture
from services.embedding.media_models.pictures import PictureTower, sample_picture
from services.embedding.media_models.sides import NoSounds, NoTexts
from services.embedding.media_models.torch_folder import check_side, load_model, read_part, settle_memory
from services.embedding.options import LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec
from services.embedding.words import WordCounter

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import ViTModel


class VitEmbedder(NoTexts, NoSounds):
    """A ``MediaEmbedder`` over a loaded ``ViTModel``."""

    def __init__(self, spec: ModelSpec, pictures: PictureTower) -> None:
        self.spec = spec
        self.runtime = Runtime("torch", "fp32", "the only runtime for this family")
        self.tokens = WordCounter()
        self._pictures = pictures

    def embed_pictures(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """See ``MediaEmbedder.embed_pictures``."""
        return self._pictures.embed(pictures)


def load_vit(spec: ModelSpec, folder: Path, options: LoadOptions) -> VitEmbedder:
    """The family's loader.

    Raises:
        ModelError: code "model-unreadable" or "model-changed".
    """
    from transformers import ViTImageProcessorPil, ViTModel

    model: ViTModel = load_model(ViTModel, folder, add_pooling_layer=False)  # type: ignore[assignment]
    processor = read_part(folder, lambda: ViTImageProcessorPil.from_pretrained(str(folder), local_files_only=True))
    is_mean = spec.pooling == "mean"

    def see(pixels: Tensor) -> NDArray[np.float32]:
        states = model(pixel_values=pixels).last_hidden_state
        found: NDArray[np.float32] = (states[:, 1:].mean(dim=1) if is_mean else states[:, 0]).numpy()
        return found

    pictures = PictureTower(spec, processor, see, streams=options.cores())
    check_side(spec, folder, "pictures", lambda: pictures.embed([sample_picture()]))
    settle_memory()
    return VitEmbedder(spec, pictures)
