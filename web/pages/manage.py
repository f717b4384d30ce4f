"""A collection's own page: what it holds, how far the work is, adding to it, its settings and its end."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

import flask
from werkzeug.wrappers import Response

from services.collections.values import Collection
from services.errors import InvalidInput, NearfieldError
from services.ingest.values import TextInput
from services.ledger.finding import Wanted
from services.ledger.values import AcceptAnswer, DocumentRecord, DocumentState, Job, Page
from services.wiring import Services
from web.api.failures import failures_download, retry_failures, wanted_failures
from web.errors import Problem
from web.pages.document_form import MEDIA_TYPES, TextForm, read_metadata, read_text_form, request_id
from web.pages.errors import current_problem
from web.pages.links import manage_address
from web.pages.notices import notice
from web.pages.standing import Standing, standing
from web.pages.words import number
from web.state import web_state
from web.uploads import FILE_PART, Upload, allow_upload, read_upload

DOCUMENTS_SHOWN = 50
JOBS_SHOWN = 5
STATE_TABS: Mapping[str, str] = {
    "": "All",
    DocumentState.READY: "Searchable",
    DocumentState.PROCESSING: "Being read",
    DocumentState.PENDING: "Waiting",
    DocumentState.FAILED: "Failed",
    DocumentState.CANCELLED: "Cancelled",
}


@dataclass(frozen=True, slots=True)
class ManagePage:
    """Everything the page shows. ``problem_in`` names the form that ``problem`` belongs to."""

    collection: Collection
    standing: Standing
    chunks: int
    tabs: tuple[tuple[str, str, int], ...]
    state: str
    documents: Page[DocumentRecord]
    jobs: tuple[Job, ...]
    token: str
    text_form: TextForm
    max_body_bytes: int
    problem: Problem | None = None
    problem_in: str = ""
    first_page: bool = True
    code: str = ""
    find: str = ""
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def total(self) -> int:
        """Documents in all states."""
        return self.tabs[0][2]

    @property
    def media_types(self) -> tuple[tuple[str, str], ...]:
        """What a pasted text may be, as (media type, words)."""
        return tuple(MEDIA_TYPES.items())


class ManagePages:
    """Views of a collection's own page and the forms on it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def register(self, blueprint: flask.Blueprint) -> None:
        """Adds the routes."""
        add = blueprint.add_url_rule
        add("/c/<collection>/manage", "manage", self.manage)
        add("/c/<collection>/files", "add_files", self.add_files, methods=["POST"])
        add("/c/<collection>/texts", "add_text", self.add_text, methods=["POST"])
        add("/c/<collection>/retry", "retry_failed", self.retry_failed, methods=["POST"])
        add("/c/<collection>/failed.csv", "failures", self.failures)
        add("/c/<collection>/settings", "change_collection", self.change, methods=["POST"])
        add("/c/<collection>/delete", "delete_collection", self.delete, methods=["POST"])

    def manage(self, collection: str) -> str:
        """The page itself."""
        found = web_state().collection(collection)
        return flask.render_template("manage.html", page=self._page(found), notice=notice(flask.request.args))

    def add_files(self, collection: str) -> Response | tuple[str, int]:
        """Takes uploaded files in; all of them or none."""
        found = web_state().collection(collection)
        try:
            allow_upload(flask.request, self._services.settings.max_upload_bytes)
            with web_state().uploads.held():
                answer = self._take_files(found)
        except NearfieldError as error:
            return self._refused(found, error, "files")
        return self._accepted(found, answer)

    def _take_files(self, found: Collection) -> AcceptAnswer:
        if not any(part.filename for part in flask.request.files.getlist(FILE_PART)):
            raise InvalidInput("no file was chosen; choose one or more files, or a folder", code="no-file")
        metadata = read_metadata(flask.request.form, found)
        upload = read_upload(flask.request)
        upload = Upload(tuple(replace(file, metadata={**metadata, **file.metadata}) for file in upload.files))
        key, content = request_id(flask.request.form.get("token", ""), *upload.content())
        return self._services.acceptor.add_files(
            found, upload.files, request_id=key, request_hash=content, label=_upload_label(upload)
        )

    def add_text(self, collection: str) -> Response | tuple[str, int]:
        """Takes a pasted text in."""
        found = web_state().collection(collection)
        form = read_text_form(flask.request.form, found)
        try:
            if not form.text.strip():
                raise InvalidInput("there is no text; paste or type what shall be found", code="no-text")
            metadata = read_metadata(flask.request.form, found)
            given = TextInput(
                id=None, text=form.text, title=form.title, url=form.url, metadata=metadata, media_type=form.media_type
            )
            key, content = request_id(flask.request.form.get("token", ""), repr(given).encode("utf-8", "replace"))
            answer = self._services.acceptor.add_texts(
                found, [given], request_id=key, request_hash=content, label=form.title or "pasted text"
            )
        except NearfieldError as error:
            return self._refused(found, error, "text", form)
        return self._accepted(found, answer)

    def retry_failed(self, collection: str) -> Response:
        """Tries failed documents again: all, or those of one reason or name."""
        found = web_state().collection(collection)
        form = flask.request.form
        wanted = wanted_failures(form.get("code", ""), form.get("q", ""))
        job_id, count = retry_failures(web_state(), found, wanted)
        done = {"done": "retrying", "n": count, "job": job_id} if count else {"done": "nothing-to-retry"}
        return flask.redirect(manage_address(found.name, **done), HTTPStatus.SEE_OTHER)

    def failures(self, collection: str) -> Response:
        """The failed documents as a table to take away."""
        found = web_state().collection(collection)
        args = flask.request.args
        wanted = wanted_failures(args.get("code", ""), args.get("q", ""))
        return failures_download(found, self._services.ledger.all_of(found.id, wanted), "csv")

    def change(self, collection: str) -> Response | tuple[str, int]:
        """Renames the collection or changes its description."""
        found = web_state().collection(collection)
        name = flask.request.form.get("name", "").strip()
        description = " ".join(flask.request.form.get("description", "").split())
        try:
            changed = self._services.collections.update(found.name, new_name=name, description=description)
        except NearfieldError as error:
            return self._refused(found, error, "settings")
        web_state().forget_collection(found.name)
        return flask.redirect(manage_address(changed.name, done="saved"), HTTPStatus.SEE_OTHER)

    def delete(self, collection: str) -> Response | tuple[str, int]:
        """Deletes the collection and all in it, once its name was typed."""
        found = web_state().collection(collection)
        try:
            if flask.request.form.get("confirm", "").strip() != found.name:
                raise InvalidInput(
                    f"the name did not match; type {found.name} to delete the collection and everything in it",
                    pointer="/confirm",
                    code="not-confirmed",
                )
            self._services.collections.delete(found.name)
        except NearfieldError as error:
            return self._refused(found, error, "delete")
        web_state().forget_collection(found.name)
        self._services.doorbell.purge(found.id)
        return flask.redirect(flask.url_for("pages.collections", done="deleted-collection"), HTTPStatus.SEE_OTHER)

    def _page(
        self,
        collection: Collection,
        problem: Problem | None = None,
        problem_in: str = "",
        text_form: TextForm | None = None,
    ) -> ManagePage:
        args = flask.request.args
        counts = self._services.ledger.counts(collection.id)
        state = args.get("state", "")
        state = state if state in STATE_TABS else ""
        find = args.get("q", "").strip()[:200]
        code = args.get("code", "").strip()[:60] if state == DocumentState.FAILED else ""
        return ManagePage(
            collection=collection,
            standing=standing(self._services, collection),
            chunks=counts.chunks,
            tabs=_tabs(counts.documents, state),
            state=state,
            documents=self._services.ledger.find(
                collection.id,
                Wanted(DocumentState(state) if state else None, code, find),
                cursor=args.get("cursor", ""),
                limit=DOCUMENTS_SHOWN,
            ),
            jobs=self._jobs(collection, args.get("job", "")),
            token=secrets.token_hex(16),
            text_form=text_form or TextForm(),
            max_body_bytes=self._services.settings.max_upload_bytes,
            problem=problem,
            problem_in=problem_in,
            first_page=not args.get("cursor"),
            code=code,
            find=find,
            reasons=self._reasons(collection) if state == DocumentState.FAILED else (),
        )

    def _reasons(self, collection: Collection) -> tuple[tuple[str, int], ...]:
        """Why documents failed, where there is more than one reason."""
        codes = tuple(self._services.ledger.failure_codes(collection.id).items())
        return codes if len(codes) > 1 else ()

    def _jobs(self, collection: Collection, asked: str) -> tuple[Job, ...]:
        """The jobs at work now, and the one that the page was opened for even when it is done."""
        jobs = self._services.jobs.list(collection.id, limit=JOBS_SHOWN).items
        return tuple(job for job in jobs if job.finished_at is None or job.id == asked)

    def _accepted(self, collection: Collection, answer: AcceptAnswer) -> Response:
        taken = sum(document.outcome == "accepted" for document in answer.documents)
        done = "accepted" if taken else "unchanged"
        count = taken or len(answer.documents)
        where = manage_address(collection.name, done=done, n=count, job=answer.job_id)
        return flask.redirect(where, HTTPStatus.SEE_OTHER)

    def _refused(
        self, collection: Collection, error: NearfieldError, form: str, text_form: TextForm | None = None
    ) -> tuple[str, int]:
        problem = current_problem(error)
        page = self._page(collection, problem, form, text_form)
        return flask.render_template("manage.html", page=page, notice=""), problem.status


def _upload_label(upload: Upload) -> str:
    count = len(upload.files)
    return f"upload of {upload.files[0].name[:80]}" if count == 1 else f"upload of {number(count)} files"


def _tabs(counts: Mapping[str, int], chosen: str) -> tuple[tuple[str, str, int], ...]:
    """The states to filter by as (state, words, documents): those with documents, and the chosen one."""
    shown = [(state, words, counts.get(state, 0)) for state, words in STATE_TABS.items() if state]
    total = sum(count for _, _, count in shown)
    return (("", STATE_TABS[""], total), *(tab for tab in shown if tab[2] or tab[0] == chosen))
