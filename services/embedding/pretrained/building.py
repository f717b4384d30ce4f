"""A bare transformer and the right pooling as one sentence-transformers model: every runtime takes it from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.embedding.pretrained.folder_spec import kind_of_folder
from services.embedding.spec import ModelSpec
from services.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LOCAL = {"local_files_only": True, "trust_remote_code": False}


def build_bare(spec: ModelSpec, folder: Path) -> SentenceTransformer:
    """Transformer and Pooling, in fp32 on the CPU. Of a T5 only the encoder is loaded.

    Raises:
        ModelError: code "model-unsupported", a text cannot be ended. Whatever else the libraries raise passes through.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    transformer = Transformer(
        str(folder),
        model_kwargs={"use_safetensors": True, "dtype": torch.float32, **_LOCAL},
        processor_kwargs=dict(_LOCAL),
        config_kwargs=dict(_LOCAL),
        max_seq_length=spec.max_tokens,
    )
    _prepare_tokenizer(transformer.tokenizer, folder, causal=kind_of_folder(folder).causal)
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode=spec.pooling)
    return SentenceTransformer(modules=[transformer, pooling], device="cpu", similarity_fn_name="cosine")


def _prepare_tokenizer(tokenizer: Any, folder: Path, *, causal: bool) -> None:
    """Pads on the right, cuts at the end, and gives a decoder's text an end.

    On the right, because a token of a decoder then sees nothing of the padding and keeps its position whatever it is
    batched with; GPT-2 counts positions over padding on the left. Which token pads does not matter: it is masked.
    """
    tokenizer.padding_side = "right"
    tokenizer.truncation_side = "right"
    if causal and tokenizer.num_special_tokens_to_add(pair=False) == 0:
        _end_texts(tokenizer, folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)


def _end_texts(tokenizer: Any, folder: Path) -> None:
    """Texts end in the end-of-text token, for tokenizers that add nothing: the empty text is a token then too.

    Its state is what a decoder says of the whole text (Neelakantan et al. 2022).
    """
    from tokenizers import processors

    end = tokenizer.eos_token
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if end is None or backend is None:
        raise ModelError(
            f"the tokenizer in {folder} has no token that ends a text (eos_token), so an empty text would have no "
            "vector; add one to tokenizer_config.json or choose another model",
            code="model-unsupported",
        )
    ending = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    before = backend.post_processor
    backend.post_processor = ending if before is None else processors.Sequence([before, ending])
