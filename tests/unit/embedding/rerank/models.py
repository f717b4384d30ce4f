"""Untrained rerankers of the three families, saved by sentence-transformers."""

from __future__ import annotations

from pathlib import Path

from tests.tiny_bert import tiny_bert
from tests.unit.embedding.pretrained.models import MAX_TOKENS, tea_words


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

    torch.manual_seed(11)
    base = folder / "base"
    model_class(tiny_bert(vocabulary=90, positions=MAX_TOKENS, **more)).save_pretrained(base)
    tea_words().save_pretrained(base)
    return base
