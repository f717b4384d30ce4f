"""From decoded pictures to what a vision tower takes, by the folder's own settings, without torchvision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.directions import unit_rows
from services.embedding.media import Picture
from services.embedding.spec import ModelSpec
from services.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

BATCH_PICTURES = 8
"""A picture is 50 to 600 tokens long: more of them in one pass are no faster on a CPU, and need more memory."""

MAX_ASPECT = 8
"""A picture that is longer than this many times its height is cut to it around its middle before it is scaled: scaled
by its short side, a line of 1 x 4,000 points would become one of 224 x 896,000."""

Forward = Callable[["Tensor"], NDArray[np.float32]]
"""One pass over pixel values, shape (n, 3, height, width): their vectors."""


class PictureTower:
    """Embeds pictures.

    Args:
        spec: of the whole model.
        processor: one of transformers' PIL image processors.
        forward: the tower.
        streams: passes side by side.
    """

    def __init__(self, spec: ModelSpec, processor: Any, forward: Forward, *, streams: int) -> None:
        self._spec = spec
        self._processor = processor
        self._forward = forward
        self._streams = streams

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Vectors of pictures, as ``MediaEmbedder.embed_pictures``."""
        arrays = [_checked(picture, number) for number, picture in enumerate(pictures)]
        vectors = np.empty((len(arrays), self._spec.dim), dtype=np.float32)
        starts = range(0, len(arrays), BATCH_PICTURES)

        def embed_batch(start: int) -> None:
            vectors[start : start + BATCH_PICTURES] = self._pass(arrays[start : start + BATCH_PICTURES])

        if self._streams == 1 or len(starts) < 2:
            for start in starts:
                embed_batch(start)
        else:
            with ThreadPoolExecutor(min(self._streams, len(starts))) as pool:
                list(pool.map(embed_batch, starts))
        return vectors

    def _pass(self, arrays: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        import torch
        from PIL import Image

        # One by one: pictures of different sizes fit no array before they have been scaled.
        prepared = [self._processor(Image.fromarray(array), return_tensors="pt")["pixel_values"] for array in arrays]
        with torch.inference_mode():
            return unit_rows(self._forward(torch.cat(prepared)))


def _checked(picture: Picture, number: int) -> NDArray[np.uint8]:
    pixels = picture.pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise InvalidInput(
            f"picture {number} is an array of {pixels.dtype} and shape {pixels.shape}; allowed is uint8 of shape "
            "(height, width, 3): decode it as RGB",
            code="bad-picture",
        )
    height, width = pixels.shape[:2]
    if height > MAX_ASPECT * width:
        top = (height - MAX_ASPECT * width) // 2
        pixels = pixels[top : top + MAX_ASPECT * width]
    elif width > MAX_ASPECT * height:
        left = (width - MAX_ASPECT * height) // 2
        pixels = pixels[:, left : left + MAX_ASPECT * height]
    return np.ascontiguousarray(pixels)


def sample_picture() -> Picture:
    """A small picture to try a tower with."""
    ramp = np.arange(32 * 48 * 3, dtype=np.int64) % 251
    return Picture(ramp.reshape(32, 48, 3).astype(np.uint8))
