from __future__ import annotations

import pytest

from services.embedding.backends.torch_cuda import load_cuda
from services.embedding.options import LoadOptions
from services.embedding.resolving import Resolved
from services.errors import ModelError
from tests.models import torch_registry

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]


def has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def test_a_gpu_that_is_not_there_is_an_error_only_when_it_was_asked_for(tiny: Resolved) -> None:
    if has_gpu():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ModelError, match="NEARFIELD_DEVICE") as refused:
        load_cuda(tiny.spec, tiny.folder, LoadOptions(device="cuda"))
    assert refused.value.code == "model-unsupported"
    assert load_cuda(tiny.spec, tiny.folder, LoadOptions()) == (None, "torch finds no GPU")


def test_vectors_of_a_gpu_are_those_of_the_library(tiny: Resolved) -> None:
    if not has_gpu():
        pytest.skip("this machine has no GPU")
    embedder, why = load_cuda(tiny.spec, tiny.folder, LoadOptions(device="cuda"))
    assert embedder is not None, why
    texts = ["the thing", "sings " * 30, ""]
    plain = torch_registry().load(str(tiny.folder))
    cosines = (embedder.embed_documents(texts) * plain.embed_documents(texts)).sum(axis=1)
    assert float(cosines.min()) >= 0.999
