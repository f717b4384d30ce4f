"""Training a model on a collection: asked for here, done by a worker."""

from __future__ import annotations

import flask

from services.training.asking import make_wish
from services.training.values import TrainingRun
from web.body import json_response
from web.endpoint import API_PREFIX, Answer, Router
from web.model_shapes import TrainingIn, TrainingShape, TrainingsShape
from web.present import rfc3339
from web.state import WebState, web_state

routes = Router("models", name="trainings")


@routes.route(
    "POST",
    "/models",
    "Train a model on a collection",
    answers=Answer(202, "The training; Location is its address", TrainingShape),
    errors=(404, 409),
    body=TrainingIn,
)
def train_model(body: TrainingIn) -> flask.Response:
    """A worker does it beside its documents. When the training is ready, collections can be created with the model."""
    training = ask_for_training(web_state(), body)
    return json_response(training_json(training), 202, location=f"{API_PREFIX}/models/trainings/{training.id}")


@routes.route(
    "GET",
    "/models/trainings",
    "List the trainings of models",
    answers=Answer(200, "The trainings, the latest first", TrainingsShape),
)
def list_trainings() -> flask.Response:
    """Those that wait or run, and those that are finished and still remembered."""
    found = web_state().services.trainings.list()
    answer: TrainingsShape = {"items": [training_json(training) for training in found], "next_cursor": None}
    return json_response(answer)


@routes.route(
    "GET",
    "/models/trainings/<training_id>",
    "Look at a training",
    answers=Answer(200, "The training", TrainingShape),
    errors=(404,),
)
def get_training(training_id: str) -> flask.Response:
    """How far it is, or why it failed."""
    return json_response(training_json(web_state().services.trainings.get(training_id)))


@routes.route(
    "DELETE",
    "/models/trainings/<training_id>",
    "Cancel a training",
    answers=Answer(202, "The training; one that runs ends within moments", TrainingShape),
    errors=(404,),
)
def cancel_training(training_id: str) -> flask.Response:
    """Nothing of it is kept. One that is finished stays as it is; its model is removed by its name."""
    return json_response(training_json(web_state().services.trainings.cancel(training_id)), 202)


def ask_for_training(state: WebState, body: TrainingIn) -> TrainingRun:
    """Takes a training in and rings for it.

    Raises:
        NotFound: no such collection. InvalidInput: name, family or settings. Conflict: the name is taken.
    """
    services = state.services
    collection = state.collection(body.collection)
    training = services.trainings.create(
        make_wish(body.name, body.family, collection, body.settings, services.installed)
    )
    services.doorbell.train(training.id)
    return training


def training_json(training: TrainingRun) -> TrainingShape:
    """A training as the API shows it."""
    wish, progress = training.wish, training.progress
    return {
        "id": training.id,
        "name": wish.name,
        "family": wish.family,
        "collection": wish.collection,
        "settings": dict(wish.settings),
        "state": training.state.value,
        "cancelling": training.cancelling,
        "attempts": training.attempts,
        "progress": {
            "step": progress.step,
            "documents": progress.documents,
            "texts": progress.texts,
            "seconds": progress.seconds,
        },
        "error": {"code": training.code, "message": training.reason} if training.code else None,
        "created_at": rfc3339(training.created_at),
        "started_at": rfc3339(training.started_at) if training.started_at else None,
        "finished_at": rfc3339(training.finished_at) if training.finished_at else None,
    }
