"""``POST /v1/embeddings``: texts through a model of this server, a piece at a time so that searches get in between."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import flask
import numpy as np
from numpy.typing import NDArray

from services.embedding.builtin import TRANSFORMER
from services.embedding.protocol import Embedder
from services.embedding.providers.options import KNOWN
from services.embedding.spec import ModelSpec, Role
from services.embedding.texts import prepare_texts
from services.embedding.truncated import read_truncation
from services.embedding.vectors import check_vectors
from services.errors import InvalidInput, ModelError, Overloaded, Unavailable
from web.body import json_response, read_json
from web.endpoint import Answer, Router
from web.openai_api.models import offered
from web.openai_api.shapes import MAX_INPUTS, EmbeddingShape, EmbeddingsIn, EmbeddingsShape
from web.slots import UploadSlots
from web.state import MODEL_WAIT_S, WebState, web_state
from web.validate import json_name, validate

routes = Router("openai", prefix="/v1", name="openai-embeddings")

MAX_BODY_BYTES = 32 * 1024 * 1024
PIECE_TEXTS = 64
AT_ONCE = 2
RETRY_AFTER_S = 2
SLOTS_KEY = "nearfield-embedding-slots"


class EmbeddingSlots(UploadSlots):
    """How many requests for embeddings are in work at once: their texts share the processor with searches."""

    def _refusal(self) -> Overloaded:
        return Overloaded(
            f"{self.slots} requests for embeddings are in work and others wait, which is all that is done at once; "
            "send it again in a moment, and more texts in one request rather than more requests",
            retry_after_s=RETRY_AFTER_S,
        )


@routes.route(
    "POST",
    "/embeddings",
    "Embed texts (as OpenAI's clients ask)",
    answers=Answer(200, "The vectors, in the order of the texts", EmbeddingsShape),
    errors=(404, 500, 503),
    other_bodies={"application/json": EmbeddingsIn},
)
def create_embeddings() -> flask.Response:
    """Vectors have length 1. ``input_type`` says whether the texts are documents (without it they are) or queries."""
    state = web_state()
    with _slots(state).held():
        wanted = validate(EmbeddingsIn, read_json(flask.request, limit_bytes=MAX_BODY_BYTES))
        texts = _texts(wanted.input)
        spec = offered(state, wanted.model)
        name = _name(spec, wanted.dimensions)
        if _whole(wanted.model) == _whole(state.warmup.model):  # it may be on its way
            state.warmup.wait(MODEL_WAIT_S)
        work = _Work(state, state.services.models.load(name), Role(wanted.input_type))
        vectors = np.concatenate(list(work.pieces(texts)))
    answer: EmbeddingsShape = {
        "object": "list",
        "data": _rows(vectors, as_base64=wanted.encoding_format == "base64"),
        "model": wanted.model,
        "usage": {"prompt_tokens": work.tokens, "total_tokens": work.tokens},
    }
    return json_response(answer)


@dataclass(slots=True)
class _Work:
    """One request in work; ``tokens`` counts what was embedded."""

    state: WebState
    model: Embedder
    role: Role
    tokens: int = 0

    def pieces(self, texts: list[str]) -> Iterator[NDArray[np.float32]]:
        """The vectors, piece by piece."""
        spec, model = self.model.spec, self.model
        prepared = prepare_texts(texts, spec.max_tokens)
        embed = model.embed_queries if self.role is Role.QUERY else model.embed_documents
        for start in range(0, len(prepared), PIECE_TEXTS):
            if self.state.stopping.is_set():
                raise Unavailable("the server is stopping; send the texts again in a moment", retry_after_s=2)
            piece = prepared[start : start + PIECE_TEXTS]
            vectors = embed(piece)
            _check(vectors, spec)
            self.tokens += sum(min(spec.max_tokens, model.tokens.count(text) + model.special_tokens) for text in piece)
            yield vectors


def _slots(state: WebState) -> EmbeddingSlots:
    extensions: dict[str, Any] = flask.current_app.extensions
    slots: EmbeddingSlots = extensions.setdefault(SLOTS_KEY, EmbeddingSlots(AT_ONCE, state.settings.web_threads))
    return slots


def _texts(given: Any) -> list[str]:
    """The texts of ``input``.

    Raises:
        InvalidInput: it is no text and no list of texts, there are none or too many, or one is blank.
    """
    if isinstance(given, str):
        given, one = [given], True
    else:
        one = False
    if not isinstance(given, list):
        raise InvalidInput(f"'input' must be a text or a list of texts; given is {json_name(given)}", pointer="/input")
    if not given or len(given) > MAX_INPUTS:
        raise InvalidInput(f"'input' holds {len(given):,} texts; allowed are 1 to {MAX_INPUTS:,}", pointer="/input")
    for number, text in enumerate(given):
        place = "/input" if one else f"/input/{number}"
        if isinstance(text, int | list):
            raise InvalidInput(
                "'input' holds tokens; only texts are read here, because tokens mean something to one model alone. "
                "Send the text (with langchain: check_embedding_ctx_length=False)",
                code="tokens-not-read",
                pointer=place,
            )
        if not isinstance(text, str):
            raise InvalidInput(f"text {number} must be a string; given is {json_name(text)}", pointer=place)
        if not text.strip():
            raise InvalidInput(
                f"text {number} is empty; there is nothing to embed in it: leave it out",
                code="empty-text",
                pointer=place,
            )
    return given


def _name(spec: ModelSpec, dimensions: int | None) -> str:
    """What the registry calls the model whose vectors have so many numbers: ``NAME?dim=N`` where some are cut off.

    Raises:
        InvalidInput: more numbers than the model makes, or fewer of a model whose first numbers do not say most.
    """
    if dimensions is None or dimensions == spec.dim:
        return spec.name
    whole = _whole(spec.name)
    if dimensions > spec.dim:
        why = "cannot be made longer: give at most that"
    elif spec.family == TRANSFORMER or (whole in KNOWN and KNOWN[whole].shortens):
        return f"{whole}?dim={dimensions}"
    else:
        why = "was not trained to be cut to fewer: leave 'dimensions' out"
    raise InvalidInput(
        f"'dimensions' is {dimensions}; {spec.name} makes vectors of {spec.dim} numbers and {why}",
        code="bad-dimensions",
        pointer="/dimensions",
    )


def _whole(name: str) -> str:
    """The name of the model of which a ``NAME?dim=N`` is cut; any other name as it is."""
    cut = read_truncation(name)
    return name if cut is None else cut.model


def _check(vectors: NDArray[np.float32], spec: ModelSpec) -> None:
    """A NaN of the model is the server's fault, not the caller's."""
    try:
        check_vectors(vectors, spec.dim)
    except InvalidInput as error:
        raise ModelError(f"the model {spec.name} failed: {error.message}", code="model-failed") from None


def _rows(vectors: NDArray[np.float32], *, as_base64: bool) -> list[EmbeddingShape]:
    little = vectors.astype("<f4")
    return [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(row.tobytes()).decode("ascii") if as_base64 else row.tolist(),
        }
        for index, row in enumerate(little)
    ]
