"""A tiny model, converted once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.embedding.backends.choice import load_on
from services.embedding.backends.machine import Machine
from services.embedding.options import LoadOptions
from services.embedding.resolving import Resolved, resolve
from tests.models import build_tiny_model

PLAIN = Machine("a processor of 2015", frozenset({"avx2"}))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Resolved:
    """BERT of two layers with CLS pooling, a Dense step and two prompts."""
    return resolve(str(build_tiny_model(tmp_path_factory.mktemp("tiny"))), models_dir=None, known=())


@pytest.fixture(scope="session")
def converted(tiny: Resolved, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the tiny model, converted on a processor without bf16."""
    cache = tmp_path_factory.mktemp("cache")
    load_on(PLAIN, tiny.spec, tiny.folder, LoadOptions(cache_dir=cache, batch_tokens=2048))
    return cache
