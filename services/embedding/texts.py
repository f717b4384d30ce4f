"""What every backend does to texts before it looks at them."""

from __future__ import annotations

from collections.abc import Sequence

from services.errors import InvalidInput

# English has 4 to 5 characters a token; a text with 64 is blanks or noise. Without the cut a text of 10 MB
# would spend seconds in the tokenizer, to be truncated to 256 tokens.
CHARS_PER_TOKEN = 64


def prepare_texts(texts: Sequence[str], max_tokens: int) -> list[str]:
    """The texts to embed, each without the part that lies far beyond what the model can read.

    Raises:
        TypeError: ``texts`` is one string, which would embed its letters one by one.
        InvalidInput: code "bad-text", a lone surrogate: no UTF-8 text holds one and no tokenizer takes it.
    """
    if isinstance(texts, str):
        raise TypeError("texts must be a sequence of strings, not one string")
    limit = max_tokens * CHARS_PER_TOKEN
    prepared = [text[:limit] for text in texts]
    for number, text in enumerate(prepared):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"text {number} holds half of a surrogate pair at character {error.start}; "
                "only valid Unicode text can be embedded: decode the source again or drop that character",
                code="bad-text",
            ) from None
    return prepared
