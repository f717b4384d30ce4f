"""Untrained transformers as transformers saves them: BERT, T5 and GPT-2, each with a tokenizer of its usual kind."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

from tests.tiny_bert import tiny_bert, word_piece

MAX_TOKENS = 24


def build_bert(folder: Path) -> str:
    """Two layers, WordPiece; its tokenizer adds [CLS] and [SEP]."""
    import torch
    from transformers import BertModel

    torch.manual_seed(3)
    BertModel(tiny_bert(vocabulary=90, positions=MAX_TOKENS)).save_pretrained(folder)
    tea_words().save_pretrained(folder)
    return str(folder)


def build_t5(folder: Path) -> str:
    """Encoder and decoder, as T5 is published; its tokenizer ends texts in </s> and it has no table of positions."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    torch.manual_seed(4)
    config = T5Config(
        vocab_size=80,
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        initializer_factor=2.0,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    pieces = ["<pad>", "</s>", "<unk>", "▁the", "▁", *string.ascii_lowercase, *("▁" + each for each in "abcdefgh")]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0 - 0.01 * n) for n, piece in enumerate(pieces)], unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=MAX_TOKENS,
    ).save_pretrained(folder)
    return str(folder)


def build_gpt2(folder: Path) -> str:
    """A language model with its head; a byte-level tokenizer that adds nothing and cannot pad, as GPT-2's."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(5)
    tokenizer = byte_pieces()
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=MAX_TOKENS,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def build_steps_t5(folder: Path) -> str:
    """The T5 in a sentence-transformers folder."""
    return _with_steps(folder, build_t5, "mean")


def build_steps_gpt2(folder: Path) -> str:
    """The GPT-2 in a sentence-transformers folder, weighted mean, with a padding token as such folders have."""
    return _with_steps(folder, build_gpt2, "weightedmean")


def tea_words() -> Any:
    """WordPiece with the words of the tests."""
    return word_piece(["the", "tea", "leaf", "bean", "water"], max_tokens=MAX_TOKENS)


def byte_pieces():
    """Byte-level pairs; blanks at the end are dropped, because counting tests count words."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<|end|>", *letters, "th", "the", "Ġthe"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("t", "h"), ("th", "e"), ("Ġ", "the")]))
    tokenizer.normalizer = normalizers.Strip(left=False)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|end|>", eos_token="<|end|>", unk_token="<|end|>"
    )


def _with_steps(folder: Path, build, pooling: str) -> str:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    base = folder / "base"
    build(base)
    transformer = Transformer(str(base), max_seq_length=MAX_TOKENS)
    tokenizer = transformer.tokenizer
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode=pooling), Normalize()])
    target = folder / "steps"
    model.save(str(target), create_model_card=False)
    return str(target)
