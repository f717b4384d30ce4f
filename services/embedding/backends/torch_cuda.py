"""The same model on a GPU: bf16 where that is close enough to fp32, large batches, copies that do not wait."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.embedding.backends.calibration import compare, reference_vectors
from services.embedding.backends.sentence_transformer import SentenceTransformerEmbedder
from services.embedding.backends.torch_loading import load_plain
from services.embedding.options import LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec, Role
from services.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# A GPU is idle at a CPU's budget; 65,536 tokens of a model like MiniLM take some 0.5 GB in bf16.
_BATCH_TOKENS = 65_536


class CudaEmbedder(SentenceTransformerEmbedder):
    """An ``Embedder`` on the first GPU. One stream: the GPU is parallel by itself."""

    def __init__(self, spec: ModelSpec, model: SentenceTransformer, *, batch_tokens: int, runtime: Runtime) -> None:
        super().__init__(spec, model, streams=1, batch_tokens=batch_tokens)
        self.runtime = runtime

    def _forward(self, texts: list[str], role: Role) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            features = self._model.preprocess(texts, prompt=self.spec.prompt(role) or None, task=role.value)
            moved = {
                name: value.pin_memory().to("cuda", non_blocking=True) if isinstance(value, torch.Tensor) else value
                for name, value in features.items()
            }
            output = self._model.forward(moved, task=role.value)["sentence_embedding"]
            vectors = torch.nn.functional.normalize(output[:, : self.spec.dim].float(), p=2, dim=1)
            return np.asarray(vectors.cpu().numpy(), dtype=np.float32)


def load_cuda(spec: ModelSpec, folder: Path, options: LoadOptions) -> tuple[CudaEmbedder | None, str]:
    """The model on the GPU, or None and why not.

    Raises:
        ModelError: code "model-unsupported", the operator asked for a GPU and there is none; else as ``load_plain``.
    """
    import torch

    if not torch.cuda.is_available():
        if options.device == "cuda":
            raise ModelError(
                "NEARFIELD_DEVICE is cuda and torch finds no GPU; check the driver and that torch was installed with "
                "CUDA, or set NEARFIELD_DEVICE=auto",
                code="model-unsupported",
            )
        return None, "torch finds no GPU"
    model = load_plain(spec, folder)
    # The reference is made on the CPU: a GPU may multiply "fp32" in tf32.
    reference = reference_vectors(SentenceTransformerEmbedder(spec, model, streams=1, batch_tokens=2048))
    passed_over = ""
    for precision in ("bf16", "fp32") if options.precision != "fp32" else ("fp32",):
        model = model.to(device="cuda", dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
        trial = CudaEmbedder(spec, model, batch_tokens=_BATCH_TOKENS, runtime=Runtime("cuda", precision))
        found = compare(trial, reference)
        if found.good:
            why = f"a GPU in {precision}{passed_over}: the lowest cosine to plain fp32 is {found.cosine:.5f}"
            runtime = Runtime("cuda", precision, why, found.tolerance)
            return CudaEmbedder(spec, model, batch_tokens=options.batch_tokens or _BATCH_TOKENS, runtime=runtime), why
        passed_over = f" ({precision} was passed over: {found.cosine:.5f})"
        model = load_plain(spec, folder)
    return None, f"the GPU's vectors are too far from plain fp32{passed_over}"
