from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.embedding.folder_spec import read_folder_spec
from services.embedding.spec import ModelSpec
from services.errors import ModelError
from tests.unit.embedding.folders import DENSE, NORMALIZE, POOLING, TRANSFORMER, make_folder, put


def read(folder: Path) -> ModelSpec:
    return read_folder_spec("mine", folder, source="here", revision="3")


def refusal(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as refused:
        read(folder)
    assert str(folder) in refused.value.message
    return refused.value


def test_a_folder_says_what_its_model_is(tmp_path: Path) -> None:
    spec = read(make_folder(tmp_path))
    assert (spec.name, spec.source, spec.revision) == ("mine", "here", "3")
    assert (spec.dim, spec.max_tokens, spec.pooling, spec.licence) == (8, 128, "mean", "mit")
    assert (spec.query_prompt, spec.document_prompt) == ("", "")
    assert dict(spec.file_hashes).keys() >= {"model.safetensors", "tokenizer.json", "config.json"}


@pytest.mark.parametrize(
    ("config", "dim", "pooling"),
    [
        ({"word_embedding_dimension": 8, "pooling_mode_cls_token": True}, 8, "cls"),
        ({"embedding_dimension": 8, "pooling_mode": "lasttoken"}, 8, "lasttoken"),
        ({"embedding_dimension": 8, "pooling_mode": ["cls", "max"]}, 16, "cls+max"),
        (
            {"word_embedding_dimension": 8, "pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True},
            16,
            "max+mean",
        ),
        ({"pooling_mode": "mean"}, 8, "mean"),
        ({}, 8, "mean"),
    ],
)
def test_pooling_of_old_and_new_folders(tmp_path: Path, config: dict[str, Any], dim: int, pooling: str) -> None:
    put(make_folder(tmp_path), "1_Pooling/config.json", config)
    spec = read(tmp_path)
    assert (spec.dim, spec.pooling) == (dim, pooling)


def test_a_dense_step_decides_the_dimension(tmp_path: Path) -> None:
    make_folder(tmp_path, modules=[TRANSFORMER, POOLING, DENSE])
    put(tmp_path, "2_Dense/config.json", {"out_features": 5, "activation_function": "torch.nn.modules.activation.Tanh"})
    assert read(tmp_path).dim == 5


def test_a_truncated_model_is_as_long_as_it_is_cut(tmp_path: Path) -> None:
    put(make_folder(tmp_path), "config_sentence_transformers.json", {"truncate_dim": 4})
    assert read(tmp_path).dim == 4


@pytest.mark.parametrize(
    ("prompts", "query", "document"),
    [
        ({"query": "q: ", "document": "d: "}, "q: ", "d: "),
        ({"query": "q: ", "passage": "p: "}, "q: ", "p: "),
        ({"corpus": "c: ", "other": "o: "}, "", "c: "),
        (None, "", ""),
    ],
)
def test_prompts_come_from_the_folder(tmp_path: Path, prompts: Any, query: str, document: str) -> None:
    put(make_folder(tmp_path), "config_sentence_transformers.json", {"prompts": prompts})
    spec = read(tmp_path)
    assert (spec.query_prompt, spec.document_prompt) == (query, document)


@pytest.mark.parametrize(
    ("tokenizer", "positions", "limit"), [(64, 512, 64), (10**30, 512, 512), (512, 514, 512), (None, 77, 77)]
)
def test_without_a_setting_the_smaller_limit_counts(
    tmp_path: Path, tokenizer: int | None, positions: int, limit: int
) -> None:
    make_folder(tmp_path)
    (tmp_path / "sentence_bert_config.json").unlink()
    put(tmp_path, "tokenizer_config.json", {} if tokenizer is None else {"model_max_length": tokenizer})
    put(tmp_path, "config.json", {"max_position_embeddings": positions})
    assert read(tmp_path).max_tokens == limit


def test_an_older_layout_keeps_the_transformer_in_a_folder_of_its_own(tmp_path: Path) -> None:
    make_folder(tmp_path, modules=[{**TRANSFORMER, "path": "0_Transformer"}, POOLING])
    (tmp_path / "config.json").unlink()
    put(tmp_path, "0_Transformer/config.json", {"hidden_size": 8})
    put(tmp_path, "0_Transformer/sentence_bert_config.json", {"max_seq_length": 99})
    assert read(tmp_path).max_tokens == 99


@pytest.mark.parametrize("similarity", ["dot", "cosine", None])
def test_normalised_vectors_may_be_compared_by_dot(tmp_path: Path, similarity: str | None) -> None:
    put(make_folder(tmp_path), "config_sentence_transformers.json", {"similarity_fn_name": similarity})
    assert read(tmp_path).distance == "cosine"


@pytest.mark.parametrize("similarity", ["dot", "euclidean", "manhattan", "maxsim"])
def test_a_model_for_another_measure_is_refused(tmp_path: Path, similarity: str) -> None:
    make_folder(tmp_path, modules=[TRANSFORMER, POOLING])
    put(tmp_path, "config_sentence_transformers.json", {"similarity_fn_name": similarity})
    error = refusal(tmp_path)
    assert error.code == "model-unsupported"
    assert similarity in error.message


@pytest.mark.parametrize(
    "modules",
    [
        [{"path": "", "type": "modeling_x.Custom"}, POOLING],
        [{"path": "", "type": "os.system"}, POOLING],
        [{"path": "", "type": "evil.sentence_transformers.models.Transformer"}, POOLING],
        [{"path": "", "type": "sentence_transformers.models.Transformer.evil"}, POOLING],
        [TRANSFORMER, POOLING, {"path": "2_CNN", "type": "sentence_transformers.models.CNN"}],
        [{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}],
        [{"path": "", "type": "sentence_transformers/../evil.Transformer"}, POOLING],
        [POOLING, TRANSFORMER],
        [TRANSFORMER],
        [TRANSFORMER, POOLING, POOLING],
        [],
        {"type": "x"},
    ],
)
def test_steps_that_are_not_known_are_refused(tmp_path: Path, modules: Any) -> None:
    make_folder(tmp_path)
    put(tmp_path, "modules.json", modules)
    assert refusal(tmp_path).code == "model-unsupported"


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "a/../../b", "\\\\server"])
def test_steps_stay_in_the_folder(tmp_path: Path, path: str) -> None:
    make_folder(tmp_path, modules=[TRANSFORMER, {**POOLING, "path": path}])
    assert refusal(tmp_path).code == "model-unsafe"


def test_an_activation_from_elsewhere_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path, modules=[TRANSFORMER, POOLING, DENSE, NORMALIZE])
    put(tmp_path, "2_Dense/config.json", {"out_features": 5, "activation_function": "os.abort"})
    error = refusal(tmp_path)
    assert error.code == "model-unsupported"
    assert "os.abort" in error.message


@pytest.mark.parametrize("name", ["modules.json", "config.json", "1_Pooling/config.json", "sentence_bert_config.json"])
@pytest.mark.parametrize("content", ["{", "[1", "\x00", "[" * 100_000, '"text"', "7", "\udcff"])
def test_broken_files_are_refused(tmp_path: Path, name: str, content: str) -> None:
    make_folder(tmp_path)
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert refusal(tmp_path).code in {"model-unreadable", "model-unsupported"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("modules.json", [1, 2]),
        ("modules.json", ["Transformer"]),
        ("sentence_bert_config.json", {"max_seq_length": "many"}),
        ("sentence_bert_config.json", {"max_seq_length": [1]}),
        ("1_Pooling/config.json", {"word_embedding_dimension": "wide"}),
        ("1_Pooling/config.json", {"word_embedding_dimension": -4}),
        ("config_sentence_transformers.json", {"prompts": "query: "}),
        ("config_sentence_transformers.json", {"truncate_dim": {}, "prompts": ["q"]}),
    ],
)
def test_values_of_the_wrong_type_are_refused(tmp_path: Path, name: str, content: Any) -> None:
    put(make_folder(tmp_path), name, content)
    assert refusal(tmp_path).code == "model-unreadable"


@pytest.mark.parametrize("name", ["config.json", "1_Pooling/config.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (make_folder(tmp_path) / name).unlink()
    error = refusal(tmp_path)
    assert error.code == "model-missing"
    assert name in error.message


def test_a_model_without_any_limit_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "sentence_bert_config.json").unlink()
    put(tmp_path, "config.json", {"hidden_size": 8})
    assert refusal(tmp_path).code == "model-unreadable"


@pytest.mark.parametrize("card", [None, "# no header", "---\nlicence-free: yes\n---\n", "\udcff"])
def test_a_silent_card_leaves_the_licence_unknown(tmp_path: Path, card: str | None) -> None:
    make_folder(tmp_path)
    (tmp_path / "README.md").unlink()
    if card is not None:
        (tmp_path / "README.md").write_bytes(card.encode("utf-8", "surrogateescape"))
    assert read(tmp_path).licence == "unknown"
