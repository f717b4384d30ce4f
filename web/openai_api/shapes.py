"""What ``/v1`` takes and answers, in OpenAI's shapes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from web.schemas import Body

MAX_INPUTS = 2048
_INPUT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": MAX_INPUTS},
    ]
}


class EmbeddingsIn(Body):
    """Texts to embed."""

    # Any: pydantic tells of every text of a list that is none, and of each member of the union, what is wrong with it
    input: Annotated[Any, WithJsonSchema(_INPUT_SCHEMA)] = Field(
        description=f"A text, or up to {MAX_INPUTS:,} of them; what lies beyond the model's longest input is cut. "
        "Tokens in place of a text are not read"
    )
    model: str = Field(max_length=1024, description="An id of /v1/models")
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="Numbers, or base64 of little-endian float32"
    )
    dimensions: int | None = Field(
        None,
        ge=1,
        le=32_768,
        description="The model's own; fewer of a transformer, or of a provider's model that can be cut: the first "
        "ones, of length 1 again",
    )
    input_type: Literal["document", "query"] = Field(
        "document",
        description="Not OpenAI's: what the texts are. Some models embed a question otherwise than an answer",
    )
    user: str | None = Field(None, max_length=1000, description="Taken and not used")


class EmbeddingShape(TypedDict):
    """One text's vector, of length 1."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsageShape(TypedDict):
    """What was embedded, in the model's tokens."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsShape(TypedDict):
    """The vectors, in the order of the texts."""

    object: Literal["list"]
    data: list[EmbeddingShape]
    model: str
    usage: EmbeddingUsageShape


class OpenAIModelShape(TypedDict):
    """A model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAIModelsShape(TypedDict):
    """The models that texts can be embedded with."""

    object: Literal["list"]
    data: list[OpenAIModelShape]


class OpenAIErrorDetailShape(TypedDict):
    """What was wrong and what to do."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIErrorShape(TypedDict):
    """An error as OpenAI's clients read it."""

    error: OpenAIErrorDetailShape
