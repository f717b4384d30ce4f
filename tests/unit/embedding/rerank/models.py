"""Untrained rerankers of the three families, saved by sentence-transformers."""

from __future__ import annotations

from pathlib import Path

from tests.unit.embedding.pretrained.models import MAX_TOKENS, word_piece


def build_cross_encoder(folder: Path) -> Path:
    from sentence_transformers import CrossEncoder
    from transformers import BertForSequenceClassification

    base = _base(folder, BertForSequenceClassification, num_labels=1)
    target = folder / "cross"
    CrossEncoder(str(base), device="cpu").save_pretrained(str(target), create_model_card=False)
    return target


def build_splade(folder: Path) -> Path:
    from sentence_transformers import SparseEncoder
    from transformers import BertForMaskedLM

    base = _base(folder, BertForMaskedLM)
    target = folder / "splade"
    SparseEncoder(str(base), device="cpu").save(str(target), create_model_card=False)
    return target


def build_colbert(folder: Path) -> Path:
    """Token vectors of 8 numbers; blanks and such of a text do not count."""
    import torch
    from sentence_transformers import MultiVectorEncoder
    from transformers import BertModel

    base = _base(folder, BertModel)
    torch.manual_seed(12)
    target = folder / "colbert"
    MultiVectorEncoder(str(base), device="cpu").save(str(target), create_model_card=False)
    return target


def _base(folder: Path, model_class, **more: object) -> Path:
    import torch
    from transformers import BertConfig

    torch.manual_seed(11)
    config = BertConfig(
        vocab_size=90,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=0.5,
        **more,
    )
    base = folder / "base"
    model_class(config).save_pretrained(base)
    word_piece().save_pretrained(base)
    return base
