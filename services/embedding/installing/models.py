"""Installed models for whoever manages them: the command line, the API and the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.embedding.builtin import BUILTIN_SPECS
from services.embedding.families import family_of
from services.embedding.installing.default import Chosen, DefaultModel
from services.embedding.installing.pulling import Progress, find_origin, pull
from services.embedding.installing.record import ModelRecord
from services.embedding.installing.shelf import ModelShelf
from services.embedding.installing.trials import BENCHMARK_S, Benchmark, measure
from services.embedding.installing.verifying import Verification, verify
from services.embedding.model_files import decisive_files
from services.embedding.options import LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.registry import ModelRegistry
from services.embedding.spec import ModelSpec
from services.embedding.truncated import read_truncation
from services.errors import Conflict, InvalidInput, ModelError, NearfieldError, NotFound

Users = Callable[[], Iterable[tuple[str, str]]]
"""(collection's name, its model) of every collection there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model and what is known of it without loading it.

    Attributes:
        name: by which collections ask for it.
        spec: None when its files cannot be used.
        problem: why not; "" when all is well.
        installed: whether it lies in the folder of installed models.
        default: whether new collections get it when nobody names a model.
        record: what was noted when it was installed; None for built-in models and for folders put there by hand.
        size_bytes: of its files; 0 for a model without any.
        used_by: names of collections whose vectors it makes.
        runtime: what it runs on in this process; None while it is not loaded.
    """

    name: str
    spec: ModelSpec | None
    problem: str
    installed: bool
    default: bool
    record: ModelRecord | None
    size_bytes: int
    used_by: tuple[str, ...]
    runtime: Runtime | None

    @property
    def source(self) -> str:
        """Where it comes from."""
        if self.record is not None:
            return self.record.source
        return self.spec.source if self.spec is not None else ""


class InstalledModels:
    """Lists, describes, checks, measures, installs and removes models.

    Args:
        registry: which models there are.
        options: how they are loaded; ``models_dir`` is set.
        default: which one new collections get.
        users: which collections use which model.
    """

    def __init__(self, registry: ModelRegistry, options: LoadOptions, default: DefaultModel, users: Users) -> None:
        if options.models_dir is None:
            raise ValueError("installed models need a folder")
        self.default = default
        self.shelf = ModelShelf(options.models_dir)
        self._registry = registry
        self._options = options
        self._users = users

    def names(self) -> list[str]:
        """All models that can be asked for by name, the default one first; installed ones also when they are broken."""
        return list(dict.fromkeys([self.default.name(), *self._registry.names(), *self.shelf.recorded()]))

    def all(self) -> Sequence[ModelFacts]:
        """All models that can be asked for by name, the default one first; also those that cannot be used."""
        users = _by_model(self._users())
        return [self._facts(name, users) for name in self.names()]

    def describe(self, name: str) -> ModelFacts:
        """One model.

        Raises:
            NotFound: code "unknown-model".
        """
        self._known(name)
        return self._facts(name, _by_model(self._users()))

    def verify(self, name: str) -> Verification:
        """Holds every file of a model against what was promised of it. Raises as ``describe``."""
        self._known(name)
        return verify(self._registry, self.shelf, name)

    def benchmark(self, name: str, budget_s: float = BENCHMARK_S) -> Benchmark:
        """Measures a model in a process of its own.

        Raises:
            NotFound: as ``describe``. ModelError: it cannot be loaded.
            InvalidInput: code "bad-model", it runs elsewhere, or embeds no text.
        """
        self._known(name)
        spec = self._registry.spec(name)
        if spec.family == "provider" or "text" not in spec.modalities:
            raise InvalidInput(
                f"{name!r} {'runs elsewhere and costs money' if spec.family == 'provider' else 'embeds no text'}: it "
                "is not measured here; choose another model",
                code="bad-model",
                pointer="/model",
            )
        return measure(name, self._options, budget_s=budget_s)

    def pull(
        self,
        source: str,
        as_name: str | None = None,
        *,
        replace: bool = False,
        max_words: int | None = None,
        progress: Progress = lambda _what, _done, _total: None,
    ) -> ModelFacts:
        """Installs a model from a folder, a file of word vectors or the hub.

        Args:
            as_name: its name; None: that of the folder, file or repository.
            replace: take the place of a model of that name that no collection uses.
            max_words: most words to take from a file of word vectors.

        Raises:
            InvalidInput, Conflict: the name, or a model in use. ModelError: the model. StorageFull, Unavailable: disk.
        """
        name, _ = pull(
            self.shelf,
            self._options,
            find_origin(source),
            as_name=as_name,
            replace_used=self.refuse_used if replace else None,
            max_words=max_words,
            progress=progress,
        )
        return self.describe(name)

    def remove(self, name: str) -> None:
        """Removes an installed model.

        Raises:
            NotFound: none of that name is installed. Conflict: a collection uses it (code "model-in-use"), it is the
                default ("model-is-default"), or it is built in ("model-is-built-in").
        """
        if name in BUILTIN_SPECS:
            raise Conflict(f"{name!r} is built in and cannot be removed", code="model-is-built-in", pointer="/model")

        def check() -> None:
            self.refuse_used(name)
            if self.default.name() == name:
                raise Conflict(
                    f"{name!r} is the model of new collections; choose another default first",
                    code="model-is-default",
                    pointer="/model",
                )

        self.shelf.remove(name, check)

    def choose(self, name: str) -> ModelFacts:
        """Makes a model the default of new collections.

        Raises:
            NotFound: no such model. ModelError: its files cannot be used. InvalidInput: it embeds no text.
            Conflict: code "default-is-set", NEARFIELD_MODEL decides.
        """
        self._known(name)
        if "text" not in self._registry.spec(name).modalities:
            raise InvalidInput(f"{name!r} embeds no text; choose another model", code="bad-model", pointer="/model")
        self.default.choose(name)
        return self.describe(name)

    def refuse_used(self, name: str) -> None:
        """Raises Conflict, code "model-in-use", when a collection uses the model."""
        used = _by_model(self._users()).get(name, [])
        if used:
            more = f" and {len(used) - 5} more" if len(used) > 5 else ""
            raise Conflict(
                f"the model {name!r} makes the vectors of {', '.join(used[:5])}{more}; without it they can neither be "
                "searched nor added to. Delete them first, or leave it",
                code="model-in-use",
                pointer="/model",
            )

    def _known(self, name: str) -> None:
        known = self.names()
        cut = read_truncation(name)
        if (name if cut is None else cut.model) not in known:
            raise NotFound(
                f"there is no model {name[:80]!r}; there are {', '.join(known)}", code="unknown-model", pointer="/model"
            )

    def _facts(self, name: str, users: Mapping[str, Sequence[str]]) -> ModelFacts:
        spec, problem, size = None, "", 0
        try:
            found = self._registry.resolve(name)
            spec = found.spec
            family_of(spec.family)
            if spec.file_hashes and found.folder.parts:
                size = sum((found.folder / each).stat().st_size for each in decisive_files(found.folder))
        except (NearfieldError, OSError) as error:
            problem = error.message if isinstance(error, NearfieldError) else f"a file cannot be read: {error.strerror}"
        record = None
        try:
            record = self.shelf.record(name) if self.shelf.has(name) else None
        except ModelError as error:
            problem = problem or error.message
        return ModelFacts(
            name=name,
            spec=spec,
            problem=problem,
            installed=name not in BUILTIN_SPECS and self.shelf.has(name),
            default=name == self.default.name(),
            record=record,
            size_bytes=record.size_bytes if record is not None else size,
            used_by=tuple(users.get(name, ())),
            runtime=self._registry.runtime(name),
        )


def _by_model(users: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Collections by model, a model with parameters (``name?dim=64``) counted for the one it is made of."""
    found: dict[str, list[str]] = {}
    for collection, model in sorted(users):
        for name in {model, model.partition("?")[0]}:
            found.setdefault(name, []).append(collection)
    return found


__all__ = ["Benchmark", "Chosen", "InstalledModels", "ModelFacts", "Verification"]
