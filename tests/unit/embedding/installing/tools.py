"""A small model made on the spot, and the models of a data folder."""

from __future__ import annotations

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from services.embedding.families import trainer_of
from services.embedding.installing.default import DefaultModel
from services.embedding.installing.models import InstalledModels
from services.embedding.options import LoadOptions
from services.embedding.registry import ModelRegistry
from services.settings import load_settings

TOPICS = {
    "tea": "leaves steeped in hot water green black oolong kettle cup morning",
    "ships": "harbour sail mast captain anchor storm rope deck voyage island",
    "maths": "theorem proof number prime algebra lemma field matrix vector sum",
}
TEXTS = [
    f"{topic} number {n} " + " ".join(words.split()[n % 7 :] + words.split()[: n % 5])
    for topic, words in TOPICS.items()
    for n in range(10)
]


@cache
def _trained(dim: int) -> Path:
    folder = Path(mkdtemp(prefix="nft-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    trainer_of("tf-idf")(TEXTS, {"dim": dim}, folder, lambda: None)
    return folder


def small_model(target: Path, dim: int = 8) -> Path:
    """A folder with a tf-idf model of ``dim`` numbers."""
    shutil.copytree(_trained(dim), target)
    return target


class Place:
    """The models of one data folder, and the collections that use them."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.settings = load_settings({}, data_dir=root, **settings)
        self.users: list[tuple[str, str]] = []
        options = LoadOptions(
            models_dir=root / "models", cache_dir=root / "cache", threads=1, batch_tokens=512, precision="fp32"
        )
        self.registry = ModelRegistry(options)
        self.default = DefaultModel(self.settings)
        self.models = InstalledModels(self.registry, options, self.default, lambda: self.users)
        self.folder = root / "models"

    def visible(self) -> set[str]:
        """What lies in the folder of models, locks and litter included."""
        return {path.name for path in self.folder.iterdir()} - {".lock"} if self.folder.exists() else set()
