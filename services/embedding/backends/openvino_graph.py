"""From a sentence-transformers folder to one graph that makes token ids into vectors, and a verdict on it.

Runs in a process of its own (``openvino_child``): torch and the export take some 1.2 GB that nobody needs afterwards.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.backends.calibration import Closeness, compare, reference_vectors
from services.embedding.backends.converted import GRAPH, TOKENIZER, Converted
from services.embedding.backends.openvino_runtime import OpenVinoEmbedder
from services.embedding.backends.quiet_openvino import import_openvino
from services.embedding.backends.sentence_transformer import SentenceTransformerEmbedder
from services.embedding.backends.torch_loading import load_plain
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec
from services.errors import InvalidInput

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_EXAMPLE_ROWS, _EXAMPLE_TOKENS = 3, 17
_CALIBRATION_BUDGET = 1024


def convert(spec: ModelSpec, folder: Path, target: Path, *, cores: int, bf16: bool) -> Converted:
    """Fills ``target`` with graph and tokenizer and holds every precision of the graph against plain fp32.

    Args:
        folder: of the model, checked.
        target: empty.
        bf16: whether the processor multiplies bfloat16.

    Returns:
        The record; ``refused`` says why where the model cannot be converted.

    Raises:
        ModelError: the model itself is not what it promises (see ``load_plain``).
    """
    import torch

    torch.set_num_threads(cores)
    model = load_plain(spec, folder)
    refused = _obstacle(model)
    if not refused:
        reference = reference_vectors(SentenceTransformerEmbedder(spec, model, streams=1, batch_tokens=2048))
        try:
            _write_graph(model, spec, target)
        except Exception as error:  # noqa: BLE001 - two compilers meet any model there is; each failure means the same
            refused = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:160]}"
    if refused:
        for path in target.iterdir():
            path.unlink()
        return Converted(refused=f"the model cannot be converted ({refused})")
    tokenizer: Any = model.tokenizer
    (target / TOKENIZER).write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    made = Converted(int(tokenizer.pad_token_id or 0), int(tokenizer.num_special_tokens_to_add(pair=False)))
    precisions = ("bf16", "fp32") if bf16 else ("fp32",)
    closeness = judge(spec, target, made, reference, precisions=precisions, cores=cores)
    return Converted(made.pad_id, made.special_tokens, closeness)


def judge(
    spec: ModelSpec,
    folder: Path,
    converted: Converted,
    reference: NDArray[np.float32],
    *,
    precisions: tuple[str, ...],
    cores: int,
) -> dict[str, Closeness]:
    """Runs the graph as it will be run, tokenizer, prompts and all, in each precision."""
    found = {}
    for precision in precisions:
        embedder = OpenVinoEmbedder(
            spec,
            folder,
            converted,
            runtime=Runtime("openvino", precision),
            streams=cores,
            batch_tokens=_CALIBRATION_BUDGET,
        )
        found[precision] = compare(embedder, reference)
    return found


def _obstacle(model: SentenceTransformer) -> str:
    """What is known not to survive the conversion; "" if nothing is."""
    tokenizer: Any = model.tokenizer
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        return "its tokenizer is not of the fast kind"
    if getattr(tokenizer, "padding_side", "right") != "right":
        return "it pads on the left"
    return ""


def _write_graph(model: SentenceTransformer, spec: ModelSpec, target: Path) -> None:
    import torch
    from torch import Tensor, nn

    if spec.max_tokens < _EXAMPLE_TOKENS + 1:
        raise InvalidInput(f"it reads {spec.max_tokens} tokens at most", code="model-unsupported")
    typed = "token_type_ids" in model.tokenizer.model_input_names

    class TextToVector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = model

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            if typed:
                features["token_type_ids"] = torch.zeros_like(input_ids)
            vectors: Tensor = self.steps(features)["sentence_embedding"]
            return vectors

    ids = torch.ones((_EXAMPLE_ROWS, _EXAMPLE_TOKENS), dtype=torch.long)
    rows, tokens = torch.export.Dim("rows", max=65_536), torch.export.Dim("tokens", min=2, max=spec.max_tokens)
    shapes = {0: rows, 1: tokens}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # both compilers warn of their own plans for later versions
        exported = torch.export.export(
            TextToVector().eval(),
            (ids, torch.ones_like(ids)),
            dynamic_shapes={"input_ids": shapes, "attention_mask": shapes},
            strict=False,
        )
        openvino = import_openvino()
        graph = openvino.convert_model(exported)
    # As float32: half of the width would be rounded before the precision is even chosen.
    openvino.save_model(graph, str(target / GRAPH), compress_to_fp16=False)
