"""Tiny models of pictures and sounds, saved as transformers saves them; pictures and sounds to try them with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from services.embedding.media import Picture, Sound
from tests.models import letters_tokenizer

SIDE = 32


def build_clip(folder: Path) -> str:
    """CLIP of two layers in each tower, 16 numbers, pictures of 32 x 32."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    torch.manual_seed(11)
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    # At the usual spread of weights an untrained model gives everything nearly the same vector.
    spread = {"initializer_factor": 10.0}
    config = CLIPConfig(
        text_config={
            **layers, **spread, "vocab_size": 200, "max_position_embeddings": 24,
            "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0,
        },
        vision_config={**layers, **spread, "image_size": SIDE, "patch_size": 8},
        projection_dim=16,
        **spread,
    )  # fmt: skip
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}).save_pretrained(
        folder
    )
    letters_tokenizer().save_pretrained(folder)
    return str(folder)


def build_vit(folder: Path, *, pooling: str = "") -> str:
    """ViT of two layers, 32 numbers; ``pooling`` as in ``nearfield_pooling``."""
    import torch
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    torch.manual_seed(12)
    config = ViTConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=8,
        initializer_range=0.5,
    )  # fmt: skip
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    if pooling:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "nearfield_pooling": pooling}))
    return str(folder)


def build_clap(folder: Path, *, fusion: bool = False) -> str:
    """CLAP with a Swin of two stages and a RoBERTa of two layers, 16 numbers, clips of one second at 16 kHz."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    torch.manual_seed(13)
    config = ClapConfig(
        text_config={
            "vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 64, "max_position_embeddings": 26, "pad_token_id": 0, "projection_dim": 16,
            "initializer_range": 0.5,
        },
        audio_config={
            "window_size": 4, "num_mel_bins": 16, "spec_size": 64, "patch_size": 4, "patch_stride": [4, 4],
            "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 32,
            "projection_dim": 16, "enable_fusion": fusion, "initializer_factor": 10.0,
            "enable_patch_fusion": fusion,
        },
        projection_dim=16,
    )  # fmt: skip
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=16, sampling_rate=16_000, hop_length=160, fft_window_size=512, max_length_s=1,
        frequency_max=8_000, truncation="fusion" if fusion else "rand_trunc",
    ).save_pretrained(folder)  # fmt: skip
    letters_tokenizer().save_pretrained(folder)
    return str(folder)


def picture(seed: int, height: int = 48, width: int = 64) -> Picture:
    """A picture of a few coloured patches, another for every seed."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return Picture(np.ascontiguousarray(coarse[rows][:, columns]))


def sound(hertz: float, seconds: float = 0.8, rate: int = 16_000) -> Sound:
    """A tone with overtones."""
    time = np.arange(int(rate * seconds)) / rate
    wave = sum(np.sin(2 * np.pi * hertz * n * time) / n for n in (1, 2, 3))
    return Sound((0.3 * np.asarray(wave)).astype(np.float32), rate)


def encoded(shown: Picture, form: str, **options: object) -> bytes:
    """A picture as a file: "PNG", "JPEG", "WEBP", "GIF"."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(shown.pixels).save(file, form, **options)
    return file.getvalue()


def recorded(heard: Sound, form: str, subtype: str | None = None, channels: int = 1) -> bytes:
    """A sound as a file: "WAV", "FLAC", "OGG", "MP3"."""
    import soundfile

    file = io.BytesIO()
    samples = np.repeat(heard.samples[:, None], channels, axis=1)
    soundfile.write(file, samples, heard.rate, format=form, subtype=subtype)
    return file.getvalue()
