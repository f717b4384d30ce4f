"""Which architectures are read from bare folders, and how each one's token vectors become one vector."""

from __future__ import annotations

from dataclasses import dataclass

POOLINGS = ("mean", "cls", "lasttoken", "weightedmean")
"""What ``nearfield-pooling.json`` may ask for."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of backbone.

    Attributes:
        name: for people.
        pooling: how it is pooled where the folder says nothing.
        causal: a token sees only those before it.
        types: ``model_type`` of the configurations of this kind; each is one of transformers itself.
    """

    name: str
    pooling: str
    causal: bool
    types: frozenset[str]


# A token of an encoder has seen the whole text, and their mean ranks better than the first token unless a model was
# trained for that one (Reimers and Gurevych 2019, "Sentence-BERT", table 6).
ENCODER = Kind(
    "encoder",
    "mean",
    causal=False,
    types=frozenset(
        (
            "albert",
            "bert",
            "camembert",
            "deberta",
            "deberta-v2",
            "distilbert",
            "electra",
            "ernie",
            "mobilebert",
            "modernbert",
            "mpnet",
            "nomic_bert",
            "rembert",
            "roberta",
            "roformer",
            "xlm-roberta",
        )
    ),
)
# T5 has no first token that stands for the text: the mean of its encoder is what Ni et al. (2022), "Sentence-T5",
# recommend.
T5 = Kind("T5 encoder", "mean", causal=False, types=frozenset(("longt5", "mt5", "t5", "umt5")))
# Only the last token of a decoder has seen the whole text (Neelakantan et al. 2022, "Text and code embeddings by
# contrastive pre-training"). The other way is a mean that weighs a token by its position, "weightedmean"
# (Muennighoff 2022, "SGPT").
DECODER = Kind(
    "decoder",
    "lasttoken",
    causal=True,
    types=frozenset(
        (
            "gemma",
            "gemma2",
            "gemma3_text",
            "gpt2",
            "gpt_neo",
            "gpt_neox",
            "gptj",
            "llama",
            "mistral",
            "olmo",
            "olmo2",
            "phi",
            "phi3",
            "qwen2",
            "qwen3",
            "smollm3",
            "stablelm",
        )
    ),
)
KINDS = (ENCODER, T5, DECODER)

# Their positions are counted from the padding token's number on, so that the table holds fewer tokens than rows.
POSITIONS_AFTER_PADDING = frozenset(("camembert", "mpnet", "roberta", "xlm-roberta"))


def kind_of(model_type: str) -> Kind | None:
    """The kind of a configuration; None for an architecture that is not read."""
    return next((kind for kind in KINDS if model_type in kind.types), None)
