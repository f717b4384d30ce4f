"""CLIP: texts and pictures in one space, so that words find pictures and pictures find pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.embedding.media import Picture
from services.embedding.media_models.pictures import PictureTower, sample_picture
from services.embedding.media_models.sides import NoSounds
from services.embedding.media_models.text_tower import TextSide, TextTower, load_tokenizer
from services.embedding.media_models.torch_folder import check_side, load_model, read_part, settle_memory
from services.embedding.options import LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BatchEncoding, CLIPModel


class ClipEmbedder(TextSide, NoSounds):
    """A ``MediaEmbedder`` over a loaded ``CLIPModel``; queries and documents are treated alike."""

    def __init__(self, spec: ModelSpec, texts: TextTower, pictures: PictureTower) -> None:
        super().__init__(texts)
        self.spec = spec
        self.runtime = Runtime("torch", "fp32", "the only runtime for this family")
        self._pictures = pictures

    def embed_pictures(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """See ``MediaEmbedder.embed_pictures``."""
        return self._pictures.embed(pictures)


def load_clip(spec: ModelSpec, folder: Path, options: LoadOptions) -> ClipEmbedder:
    """The family's loader.

    Raises:
        ModelError: code "model-unreadable" or "model-changed".
    """
    from transformers import CLIPImageProcessorPil, CLIPModel

    model: CLIPModel = load_model(CLIPModel, folder)  # type: ignore[assignment]
    processor = read_part(folder, lambda: CLIPImageProcessorPil.from_pretrained(str(folder), local_files_only=True))

    def see(pixels: Tensor) -> NDArray[np.float32]:
        found: NDArray[np.float32] = model.get_image_features(pixel_values=pixels).pooler_output.numpy()
        return found

    def read(features: BatchEncoding) -> NDArray[np.float32]:
        found: NDArray[np.float32] = model.get_text_features(
            input_ids=features["input_ids"], attention_mask=features["attention_mask"]
        ).pooler_output.numpy()
        return found

    texts = TextTower(spec, load_tokenizer(folder), read, options)
    pictures = PictureTower(spec, processor, see, streams=options.cores())
    check_side(spec, folder, "texts", lambda: texts.embed(["a picture of something"]))
    check_side(spec, folder, "pictures", lambda: pictures.embed([sample_picture()]))
    settle_memory()
    return ClipEmbedder(spec, texts, pictures)
