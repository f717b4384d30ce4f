"""The models page: which models there are, what uses them, checking, choosing and removing them, and training one."""

from __future__ import annotations

from http import HTTPStatus

import flask
from pydantic import ValidationError
from werkzeug.wrappers import Response

from services.embedding.families import FAMILIES, Family, trainable
from services.embedding.installing.models import Verification
from services.errors import InvalidInput, NearfieldError
from services.training.values import FINAL, TrainingRun, TrainingState
from services.wiring import Services
from web.api.trainings import ask_for_training
from web.errors import Problem
from web.model_shapes import TrainingIn
from web.pages.errors import current_problem
from web.state import web_state

SHOWN_TRAININGS = 10
NOTICES = {
    "chosen": "New collections get this model from now on. Those that exist keep theirs.",
    "removed": "The model is removed.",
    "training": "The model will be trained as soon as a worker is free.",
    "cancelled": "The training ends within moments.",
}
STEPS = {"reading": "Reading the documents", "training": "Learning", "checking": "Trying it out"}
STATES = {
    TrainingState.PENDING: "Waiting for a worker",
    TrainingState.RUNNING: "Starting",
    TrainingState.READY: "Ready",
    TrainingState.FAILED: "Failed",
    TrainingState.CANCELLED: "Cancelled",
}


class ModelPages:
    """Views of the models and the forms there."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def register(self, blueprint: flask.Blueprint) -> None:
        """Adds the routes. Names of models stand in form fields: they may hold what an address cannot."""
        add = blueprint.add_url_rule
        add("/models", "models", self.show)
        add("/models/default", "choose_model", self.choose, methods=["POST"])
        add("/models/verify", "verify_model", self.verify, methods=["POST"])
        add("/models/remove", "remove_model", self.remove, methods=["POST"])
        add("/models/train", "train_model", self.train, methods=["POST"])
        add("/models/trainings/<training_id>/cancel", "cancel_training", self.cancel, methods=["POST"])

    def show(self) -> str:
        """The page itself."""
        return self._page(notice=NOTICES.get(flask.request.args.get("done", ""), ""))

    def choose(self) -> Response | tuple[str, int]:
        """Makes a model the default of new collections."""
        try:
            self._services.installed.choose(_named())
        except NearfieldError as error:
            return self._refused(error)
        return _back("chosen")

    def verify(self) -> str | tuple[str, int]:
        """Reads a model's files and shows what was found."""
        try:
            return self._page(checked=self._services.installed.verify(_named()))
        except NearfieldError as error:
            return self._refused(error)

    def remove(self) -> Response | tuple[str, int]:
        """Removes an installed model that nothing uses."""
        try:
            self._services.installed.remove(_named())
        except NearfieldError as error:
            return self._refused(error)
        return _back("removed")

    def train(self) -> Response | tuple[str, int]:
        """Asks for a training; a refusal comes back with what was typed."""
        try:
            ask_for_training(web_state(), _training_form())
        except NearfieldError as error:
            return self._refused(error)
        return _back("training")

    def cancel(self, training_id: str) -> Response:
        """Ends a training."""
        self._services.trainings.cancel(training_id)
        return _back("cancelled")

    def _refused(self, error: NearfieldError) -> tuple[str, int]:
        problem = current_problem(error)
        return self._page(problem=problem), problem.status

    def _page(self, *, notice: str = "", problem: Problem | None = None, checked: Verification | None = None) -> str:
        installed, trainings = self._services.installed, self._services.trainings.list()
        return flask.render_template(
            "models.html",
            models=list(installed.all()),
            decided=installed.default.by().value,
            families={name: family.what for name, family in FAMILIES.items()},
            trainable=_trainable(),
            collections=[collection.name for collection in self._services.collections.list()],
            trainings=[(run, _words(run), run.state in FINAL) for run in trainings[:SHOWN_TRAININGS]],
            typed=flask.request.form,
            checked=checked,
            problem=problem,
            notice=notice,
        )


def _trainable() -> list[Family]:
    return [FAMILIES[name] for name in trainable()]


def _words(training: TrainingRun) -> str:
    """How far a training is, for people."""
    if training.cancelling:
        return "Being cancelled"
    if training.state is TrainingState.RUNNING:
        return STEPS.get(training.progress.step, STATES[training.state])
    return STATES[training.state]


def _named() -> str:
    return flask.request.form.get("model", "")


def _training_form() -> TrainingIn:
    form = flask.request.form
    try:
        return TrainingIn(
            name=form.get("name", "").strip(), family=form.get("family", ""), collection=form.get("collection", "")
        )
    except ValidationError:
        raise InvalidInput("choose a family from the list", code="bad-training", pointer="/family") from None


def _back(done: str) -> Response:
    return flask.redirect(flask.url_for("pages.models", done=done), HTTPStatus.SEE_OTHER)
