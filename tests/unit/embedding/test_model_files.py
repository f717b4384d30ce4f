from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.embedding.model_files import check_folder, hash_files, verify_files
from services.errors import ModelError
from tests.unit.embedding.folders import make_folder, put


def refusal(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as refused:
        check_folder(folder)
    return refused.value


def test_a_plain_model_folder_passes(tmp_path: Path) -> None:
    check_folder(make_folder(tmp_path))


@pytest.mark.parametrize(
    "name",
    [
        "modeling_x.py",
        "deep/er/train.PY",
        "pytorch_model.bin",
        "model.pt",
        "weights.pth",
        "vectors.npy",
        "data.pkl",
        "native.so",
        "__pycache__/modeling_x.cpython-311.pyc",
    ],
)
def test_code_and_pickles_are_refused_by_name(tmp_path: Path, name: str) -> None:
    put(make_folder(tmp_path), name, "import os")
    error = refusal(tmp_path)
    assert error.code == "model-unsafe"
    assert name in error.message
    assert "safetensors" in error.message


def test_a_link_to_code_elsewhere_is_code(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    put(tmp_path, "elsewhere/evil.py", "import os")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    assert refusal(folder).code == "model-unsafe"


def test_many_bad_files_are_counted_not_listed(tmp_path: Path) -> None:
    make_folder(tmp_path)
    for number in range(9):
        put(tmp_path, f"part{number}.bin", "")
    assert "and 6 more" in refusal(tmp_path).message


@pytest.mark.parametrize("name", ["modules.json", "model.safetensors"])
def test_an_incomplete_folder_is_refused(tmp_path: Path, name: str) -> None:
    (make_folder(tmp_path) / name).unlink()
    error = refusal(tmp_path)
    assert error.code == "model-missing"
    assert name.removeprefix("model.") in error.message


def test_no_folder_or_a_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone").code == "model-missing"
    put(tmp_path, "file", "")
    assert refusal(tmp_path / "file").code == "model-missing"


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    plain = hash_files(make_folder(tmp_path))
    (tmp_path / "again").symlink_to(tmp_path)
    check_folder(tmp_path)
    assert hash_files(tmp_path) == plain


def test_a_folder_full_of_files_is_no_model_folder(tmp_path: Path) -> None:
    make_folder(tmp_path)
    for number in range(2001):
        (tmp_path / f"{number}.txt").touch()
    error = refusal(tmp_path)
    assert error.code == "model-missing"
    assert "more than 2000 files" in error.message


def test_hashes_cover_what_the_loader_reads_and_nothing_else(tmp_path: Path) -> None:
    make_folder(tmp_path)
    before = hash_files(tmp_path)
    assert [name for name, _ in before] == [
        "1_Pooling/config.json",
        "config.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
    ]
    put(tmp_path, "README.md", "changed")
    put(tmp_path, ".git/config.json", "{}")
    assert hash_files(tmp_path) == before


def test_a_changed_file_has_another_hash(tmp_path: Path) -> None:
    make_folder(tmp_path)
    before = dict(hash_files(tmp_path))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weightz")
    os.utime(weights, ns=(1, 1))
    after = dict(hash_files(tmp_path))
    assert {name for name in before if before[name] != after[name]} == {"model.safetensors"}


def test_files_are_held_against_the_promise(tmp_path: Path) -> None:
    expected = hash_files(make_folder(tmp_path))
    verify_files(tmp_path, expected, remedy="install it again")
    (tmp_path / "model.safetensors").write_bytes(b"weightz")
    with pytest.raises(ModelError, match=r"model\.safetensors .*install it again") as changed:
        verify_files(tmp_path, expected, remedy="install it again")
    assert changed.value.code == "model-changed"
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing; install") as missing:
        verify_files(tmp_path, expected, remedy="install it again")
    assert missing.value.code == "model-missing"
