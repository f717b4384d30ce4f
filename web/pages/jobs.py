"""The jobs page: what was asked for, how far it is, stopping it and trying again."""

from __future__ import annotations

import secrets
from http import HTTPStatus

import flask
from werkzeug.wrappers import Response

from services.wiring import Services
from web.api.jobs import cancel_rest
from web.pages.notices import notice
from web.state import web_state

JOBS_PER_PAGE = 30
DOCUMENTS_SHOWN = 50


class JobPages:
    """Views of the jobs."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def register(self, blueprint: flask.Blueprint) -> None:
        """Adds the routes."""
        blueprint.add_url_rule("/jobs", "jobs", self.jobs)
        blueprint.add_url_rule("/jobs/<job_id>", "job", self.job)
        blueprint.add_url_rule("/jobs/<job_id>/cancel", "cancel_job", self.cancel, methods=["POST"])
        blueprint.add_url_rule("/jobs/<job_id>/resume", "resume_job", self.resume, methods=["POST"])
        blueprint.add_url_rule("/jobs/<job_id>/retry", "retry_job", self.retry, methods=["POST"])

    def jobs(self) -> str:
        """All jobs, the newest first."""
        cursor = flask.request.args.get("cursor", "")
        page = self._services.jobs.list(cursor=cursor, limit=JOBS_PER_PAGE)
        return flask.render_template(
            "jobs.html", jobs=page, names=self._names(), first_page=not cursor, notice=notice(flask.request.args)
        )

    def job(self, job_id: str) -> str:
        """One job."""
        job = self._services.jobs.get(job_id)
        cursor = flask.request.args.get("cursor", "")
        documents = self._services.ledger.job_documents(job.collection_id, job.id, cursor=cursor, limit=DOCUMENTS_SHOWN)
        return flask.render_template(
            "job.html",
            job=job,
            documents=documents,
            first_page=not cursor,
            names=self._names(),
            token=secrets.token_hex(16),
            notice=notice(flask.request.args),
        )

    def cancel(self, job_id: str) -> Response:
        """Stops what has not been taken in hand yet."""
        count = cancel_rest(web_state(), self._services.jobs.get(job_id))
        done = {"done": "cancelled", "n": count} if count else {"done": "nothing-to-cancel"}
        return flask.redirect(flask.url_for("pages.job", job_id=job_id, **done), HTTPStatus.SEE_OTHER)

    def resume(self, job_id: str) -> Response:
        """Takes up again what was cancelled."""
        job = self._services.jobs.get(job_id)
        count = self._services.ledger.resume(job.id)
        self._services.doorbell.ring(job.collection_id)
        done = {"done": "resumed", "n": count} if count else {"done": "nothing-to-resume"}
        return flask.redirect(flask.url_for("pages.job", job_id=job_id, **done), HTTPStatus.SEE_OTHER)

    def retry(self, job_id: str) -> Response:
        """Tries the job's failed documents again, as a new job."""
        job = self._services.jobs.get(job_id)
        new_id, count = self._services.ledger.retry(job.collection_id, job_id=job.id)
        self._services.doorbell.ring(job.collection_id)
        done = {"done": "retrying", "n": count} if count else {"done": "nothing-to-retry"}
        return flask.redirect(flask.url_for("pages.job", job_id=new_id or job_id, **done), HTTPStatus.SEE_OTHER)

    def _names(self) -> dict[str, str]:
        return {collection.id: collection.name for collection in self._services.collections.list()}
