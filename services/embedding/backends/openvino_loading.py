"""Loads a model on OpenVINO: converted before or now, in the fastest precision that is close enough to fp32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.children.outside import ChildFailed, run_child
from services.embedding.backends.budget import measured_budget
from services.embedding.backends.calibration import MIN_COSINE, Closeness
from services.embedding.backends.converted import Converted, ConvertedModels
from services.embedding.backends.machine import Machine
from services.embedding.backends.openvino_runtime import OpenVinoEmbedder
from services.embedding.options import DEFAULT_BATCH_TOKENS, LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec, Role
from services.embedding.vectors import check_vectors
from services.errors import InvalidInput, Unavailable

_CHILD = "services.embedding.backends.openvino_child"
# MiniLM takes 9 s on two idle cores; a model of 560 million parameters takes minutes on busy ones.
_CONVERSION_LIMIT_S = 600.0
_PROBE = ["Which file holds the settings?"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A precision, "" for none, and the sentence about it."""

    precision: str
    why: str


def load_openvino(
    spec: ModelSpec, folder: Path, options: LoadOptions, machine: Machine
) -> tuple[OpenVinoEmbedder | None, str]:
    """The model on OpenVINO, or None and why not.

    Raises:
        ModelError: the folder is not what it promises; no other runtime would take it either.
    """
    if options.cache_dir is None:
        return None, "there is no folder for converted models"
    models = ConvertedModels(options.cache_dir / "openvino", machine, prepared=options.prepared_dir)
    try:
        place, converted = models.get(
            spec, lambda target: _convert(spec, folder, target, options.cores(), machine.bf16)
        )
    except ChildFailed as error:
        return None, f"converting the model failed: {error.message}"
    except Unavailable as error:
        return None, f"converting the model failed: {error.message}"
    except OSError as error:
        return None, f"{options.cache_dir} cannot be written: {error.strerror}"
    if converted.refused:
        return None, converted.refused
    choice = choose_precision(converted.closeness, asked=options.precision, machine=machine)
    if not choice.precision:
        return None, choice.why
    try:
        embedder = _open(spec, place, converted, options, choice)
        _measure_budget(embedder, models, place, options)
    except (RuntimeError, OSError, InvalidInput) as error:
        return None, f"the converted model does not run ({str(error).strip().splitlines()[-1][:160]})"
    return embedder, choice.why


def choose_precision(closeness: Mapping[str, Closeness], *, asked: str, machine: Machine) -> Choice:
    """bf16 where processor and gate allow it, else fp32, else none; says what was passed over and why."""
    passed_over = []
    if asked == "fp32":
        passed_over.append("fp32 was asked for")
    elif not machine.bf16:
        passed_over.append("the processor has no bf16 arithmetic")
    elif (found := closeness.get("bf16")) is not None and found.good:
        return Choice("bf16", f"OpenVINO in bf16: {_shown(found)}")
    else:
        passed_over.append(f"bf16 was passed over: {_shown(found)}")
    found = closeness.get("fp32")
    if found is not None and found.good:
        return Choice("fp32", f"OpenVINO in fp32 ({passed_over[0]}): {_shown(found)}")
    return Choice("", f"OpenVINO was passed over: in fp32, {_shown(found)}")


def _shown(found: Closeness | None) -> str:
    if found is None:
        return "it was not measured"
    needed = "" if found.good else f", {MIN_COSINE} is needed"
    return f"the lowest cosine to plain fp32 on the calibration texts is {found.cosine:.5f}{needed}"


def _convert(spec: ModelSpec, folder: Path, target: Path, cores: int, bf16: bool) -> Converted:
    request = {"spec": asdict(spec), "folder": str(folder), "target": str(target), "cores": cores, "bf16": bf16}
    made: dict[str, Any] = run_child(_CHILD, request, limit_s=_CONVERSION_LIMIT_S)
    closeness = {name: Closeness(**each) for name, each in made["closeness"].items()}
    return Converted(int(made["pad_id"]), int(made["special_tokens"]), closeness, str(made["refused"]))


def _open(spec: ModelSpec, place: Path, converted: Converted, options: LoadOptions, choice: Choice) -> OpenVinoEmbedder:
    runtime = Runtime("openvino", choice.precision, choice.why, converted.closeness[choice.precision].tolerance)
    embedder = OpenVinoEmbedder(
        spec,
        place,
        converted,
        runtime=runtime,
        streams=options.cores(),
        batch_tokens=options.batch_tokens or DEFAULT_BATCH_TOKENS,
    )
    embed = embedder.embed_queries if options.first is Role.QUERY else embedder.embed_documents
    check_vectors(embed(_PROBE), spec.dim)
    return embedder


def _measure_budget(embedder: OpenVinoEmbedder, models: ConvertedModels, place: Path, options: LoadOptions) -> None:
    if options.batch_tokens:
        return
    streams = options.cores()
    token_id = embedder.token_ids(_PROBE, Role.DOCUMENT)[0][0]
    with models.locked(embedder.spec):
        embedder.batch_tokens = measured_budget(
            place / f"budget-{embedder.runtime.precision}-{streams}.json",
            embedder.forward,
            streams=streams,
            token_id=token_id,
        )
