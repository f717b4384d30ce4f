"""Static models: both layouts, the same as sentence-transformers, refused when broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from services.embedding.registry import ModelRegistry
from services.errors import ModelError
from tests.architecture.sources import ROOT
from tests.unit.embedding.static.models import DIM, WORDS, build_model2vec, build_static_embedding, table

TEXT = "Make the apple cake smaller"


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def rows(text: str) -> list[int]:
    return [WORDS.index(word) for word in text.lower().split()]


def test_the_mean_of_the_tokens_unknown_ones_left_out(tmp_path: Path) -> None:
    embedder = ModelRegistry().load(build_model2vec(tmp_path))
    expected = unit(table()[rows(TEXT)].mean(axis=0))
    for text in (TEXT, TEXT + " zzyzx"):
        np.testing.assert_allclose(embedder.embed_documents([text])[0], expected, atol=1e-6)
    assert (embedder.spec.family, embedder.spec.dim, embedder.tokens.count(TEXT)) == ("static", DIM, 5)


def test_weights_and_mapping_of_newer_folders(tmp_path: Path) -> None:
    build_model2vec(tmp_path)
    mapping = np.arange(len(WORDS))[::-1] // 2
    weights = np.linspace(0.1, 1.0, len(WORDS)).astype(np.float16)
    tensors = {"embeddings": table().astype(np.float16), "mapping": mapping.copy(), "weights": weights}
    save_file(tensors, str(tmp_path / "model.safetensors"))
    at = rows(TEXT)
    expected = unit(weights[at].astype(np.float32) @ table().astype(np.float16).astype(np.float32)[mapping[at]])
    found = ModelRegistry().load(str(tmp_path)).embed_documents([TEXT])[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_as_sentence_transformers_does(tmp_path: Path) -> None:
    """Unknown words count there, and prompts go before queries."""
    from sentence_transformers import SentenceTransformer

    folder = build_static_embedding(tmp_path)
    (tmp_path / "1_Normalize").mkdir()
    reference = SentenceTransformer(folder, device="cpu")
    texts = [TEXT, TEXT + " zzyzx", "apple"]
    embedder = ModelRegistry().load(folder)
    # Its tokenizer truncates to 8 tokens and pads, as it was saved; these texts are made longer by padding there.
    reference[0].tokenizer.no_padding()
    np.testing.assert_allclose(embedder.embed_documents(texts), reference.encode_document(texts), atol=1e-5)
    np.testing.assert_allclose(embedder.embed_queries(texts), reference.encode_query(texts), atol=1e-5)


def test_a_folder_may_cut_its_own_vectors(tmp_path: Path) -> None:
    folder = build_static_embedding(tmp_path)
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"truncate_dim": 5}))
    embedder = ModelRegistry().load(folder)
    assert embedder.spec.dim == 5
    np.testing.assert_allclose(
        embedder.embed_documents([TEXT])[0], unit(table()[rows(TEXT), :5].mean(axis=0)), atol=1e-6
    )


def test_embedding_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from services.embedding.registry import ModelRegistry; "
        "ModelRegistry().load(sys.argv[1]).embed_documents(['apple']); "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, build_model2vec(tmp_path)], cwd=ROOT, check=True, timeout=60)


def _change(folder: Path, what: str) -> None:
    weights = folder / "model.safetensors"
    match what:
        case "no tokenizer":
            (folder / "tokenizer.json").unlink()
        case "no weights":
            weights.unlink()
        case "truncated":
            weights.write_bytes(weights.read_bytes()[:-20])
        case "no header":
            weights.write_bytes(b"abc")
        case "huge header":
            weights.write_bytes(b"\xff" * 64)
        case "bad tokenizer":
            (folder / "tokenizer.json").write_text("{}")
        case "too few vectors":
            save_file({"embeddings": table(5)}, str(weights))
        case "not a table":
            save_file({"embeddings": table().ravel()}, str(weights))
        case "other names":
            save_file({"vectors": table()}, str(weights))
        case "nan":
            save_file({"embeddings": np.full_like(table(), np.nan)}, str(weights))
        case "mapping beyond":
            save_file({"embeddings": table(), "mapping": np.full(len(WORDS), 99)}, str(weights))
        case "weights of another number":
            save_file({"embeddings": table(), "weights": np.ones(3, dtype=np.float32)}, str(weights))
        case "code":
            (folder / "model.py").write_text("raise SystemExit")
        case "pickle":
            (folder / "model.bin").write_bytes(b"\x80\x04.")


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("no tokenizer", "model-missing"),
        ("no weights", "model-missing"),
        ("truncated", "model-unreadable"),
        ("no header", "model-unreadable"),
        ("huge header", "model-unreadable"),
        ("bad tokenizer", "model-unreadable"),
        ("too few vectors", "model-unreadable"),
        ("not a table", "model-unreadable"),
        ("other names", "model-unreadable"),
        ("nan", "model-unreadable"),
        ("mapping beyond", "model-unreadable"),
        ("weights of another number", "model-unreadable"),
        ("code", "model-unsafe"),
        ("pickle", "model-unsafe"),
    ],
)
def test_broken_folders_are_refused(what: str, code: str, tmp_path: Path) -> None:
    folder = build_model2vec(tmp_path)
    _change(tmp_path, what)
    with pytest.raises(ModelError) as refused:
        ModelRegistry().load(folder)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [({"path": "../elsewhere"}, "model-unsafe"), ({"path": "/etc"}, "model-unsafe")],
)
def test_steps_that_lead_out_of_the_folder_are_refused(change: dict[str, str], code: str, tmp_path: Path) -> None:
    folder = build_static_embedding(tmp_path)
    steps = json.loads((tmp_path / "modules.json").read_text())
    (tmp_path / "modules.json").write_text(json.dumps([{**steps[0], **change}]))
    with pytest.raises(ModelError) as refused:
        ModelRegistry().spec(folder)
    assert refused.value.code == code


def test_further_steps_are_refused(tmp_path: Path) -> None:
    folder = build_static_embedding(tmp_path)
    steps = json.loads((tmp_path / "modules.json").read_text())
    dense = {"idx": 1, "name": "1", "path": "1_Dense", "type": "sentence_transformers.models.Dense"}
    (tmp_path / "modules.json").write_text(json.dumps([steps[0], dense]))
    with pytest.raises(ModelError, match="Normalize alone") as refused:
        ModelRegistry().spec(folder)
    assert refused.value.code == "model-unsupported"
