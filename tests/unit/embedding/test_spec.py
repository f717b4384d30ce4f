from __future__ import annotations

from dataclasses import replace

import pytest

from services.embedding.builtin import BUILTIN_SPECS, HASH_SPEC, MINILM_SPEC
from services.embedding.spec import Role

# Stands in index names: if one of these changes, every index made before must be built again.
KNOWN_FINGERPRINTS = {
    "all-MiniLM-L6-v2": "64b394d555bb19638434050d5d0de4e4",
    "hash": "b3f714338592bf64dfffc5cbd95a3c5c",
    "mfcc": "aa0ed2ebdc129b106529b6bb2993d03f",
}


def test_fingerprints_are_those_of_existing_indexes() -> None:
    assert {name: spec.fingerprint for name, spec in BUILTIN_SPECS.items()} == KNOWN_FINGERPRINTS


@pytest.mark.parametrize(
    "change",
    [
        {"dim": 383},
        {"max_tokens": 128},
        {"query_prompt": "query: "},
        {"document_prompt": "passage: "},
        {"pooling": "cls"},
        {"normalize": False},
        {"precision_class": "bf16"},
        {"file_hashes": MINILM_SPEC.file_hashes[1:]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_vectors_changes_the_fingerprint(change: dict[str, object]) -> None:
    assert replace(MINILM_SPEC, **change).fingerprint != MINILM_SPEC.fingerprint


@pytest.mark.parametrize("field", ["name", "family", "source", "revision", "licence", "distance"])
def test_what_does_not_change_vectors_leaves_it(field: str) -> None:
    assert replace(MINILM_SPEC, **{field: "another"}).fingerprint == MINILM_SPEC.fingerprint


def test_the_order_of_the_files_does_not_matter() -> None:
    turned = replace(MINILM_SPEC, file_hashes=MINILM_SPEC.file_hashes[::-1])
    assert turned.fingerprint == MINILM_SPEC.fingerprint


def test_a_prompt_cannot_pass_for_the_other_roles() -> None:
    asking, telling = replace(HASH_SPEC, query_prompt="a"), replace(HASH_SPEC, document_prompt="a")
    assert asking.fingerprint != telling.fingerprint
    assert (asking.prompt(Role.QUERY), asking.prompt(Role.DOCUMENT)) == ("a", "")
    assert (telling.prompt(Role.QUERY), telling.prompt(Role.DOCUMENT)) == ("", "a")
