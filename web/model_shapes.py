"""What the routes about models take and answer."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import TypedDict

from services.embedding.families import Setting
from web.schemas import Body, Query


class TrainedOnShape(TypedDict):
    """What a model that was trained here has learned from."""

    collection: str
    documents: int
    settings: dict[str, Setting]
    training_id: str


class RuntimeShape(TypedDict):
    """What a loaded model runs on."""

    name: str
    precision: str
    why: str


class UsageShape(TypedDict):
    """What a provider was asked for since the instance began; ``cost`` in the money of the price, null without one."""

    requests: int
    texts: int
    tokens: int
    cost: float | None


class ModelShape(TypedDict):
    """An embedding model.

    ``default_by`` says what made it the default: "setting" (NEARFIELD_MODEL), "choice" or "built-in"; null for others.
    ``installed``: it lies in the server's folder of installed models. ``runtime``: null while it is not loaded.
    ``usage``: null for models that run here.
    """

    name: str
    family: str
    modalities: list[str]
    dimensions: int
    max_tokens: int
    pooling: str
    licence: str
    fingerprint: str
    default: bool
    default_by: str | None
    installed: bool
    source: str
    revision: str
    installed_at: str | None
    size_bytes: int
    trained_on: TrainedOnShape | None
    used_by: list[str]
    runtime: RuntimeShape | None
    usage: UsageShape | None


class UnusableModelShape(TypedDict):
    """A model whose files cannot be used, and why not."""

    name: str
    problem: str
    used_by: list[str]


class ModelsShape(TypedDict):
    """The models this server knows by name, the default one first, and apart from them those that cannot be used."""

    items: list[ModelShape]
    unusable: list[UnusableModelShape]
    next_cursor: str | None


class DifferenceShape(TypedDict):
    """A file that is not what was promised: "missing", "changed", "added" or "unreadable"."""

    file: str
    what: str


class VerificationShape(TypedDict):
    """What a check of a model's files found; ``against`` says what they were compared with."""

    name: str
    ok: bool
    against: str
    files: int
    differences: list[DifferenceShape]
    problem: str | None


class BenchmarkShape(TypedDict):
    """What a model costs on the server: texts of 20 to 80 words, one query of 8 words alone, loading, memory."""

    name: str
    texts_per_s: float
    query_p50_ms: float
    load_s: float
    memory_bytes: int
    runtime: str
    precision: str
    why: str
    cores: int


class RemovedModelShape(TypedDict):
    """The model that was removed."""

    removed: str


class FamilyShape(TypedDict):
    """A kind of embedding; ``trainable``: it can be trained on a collection."""

    name: str
    what: str
    trainable: bool


class FamiliesShape(TypedDict):
    """Every kind of embedding there is."""

    items: list[FamilyShape]
    next_cursor: str | None


class TrainingProgressShape(TypedDict):
    """How far the present attempt is: ``step`` is "", "reading", "training" or "checking"."""

    step: str
    documents: int
    texts: int
    seconds: int


class TrainingErrorShape(TypedDict):
    """Why a training failed, or why its last attempt did."""

    code: str
    message: str


class TrainingShape(TypedDict):
    """A model that is being trained on a collection, or was: pending, running, ready, failed or cancelled."""

    id: str
    name: str
    family: str
    collection: str
    settings: dict[str, Setting]
    state: str
    cancelling: bool
    attempts: int
    progress: TrainingProgressShape
    error: TrainingErrorShape | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class TrainingsShape(TypedDict):
    """The trainings that are remembered, the latest first."""

    items: list[TrainingShape]
    next_cursor: str | None


class DefaultModelIn(Body):
    """The model that new collections are to get when nobody names one."""

    model: str = Field(max_length=500, description="The name of a model in the list of models")


class TrainingIn(Body):
    """A model to be trained on a collection."""

    name: str = Field(description="What the model will be called: 1 to 64 letters, digits, '.', '_' and '-'")
    family: str = Field(max_length=100, description="What to train; the list of families says which can be")
    collection: str = Field(description="Name of the collection whose documents it learns from")
    settings: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description='Settings of the family, such as {"dim": 128}; empty: the usual ones'
    )


class BenchmarkQuery(Query):
    """How long to measure."""

    seconds: float = Field(5.0, ge=1.0, le=20.0, description="Seconds to measure, loading not counted")
