"""The official OpenAI client against a running server."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openai
import pytest

from services.embedding.hash_embedder import HashEmbedder
from tests.conftest import RedisPair
from tests.processes import Product, wait_until

TEXTS = ["tea with milk", "coffee", "naïve 東京 \U0001f680"]


@pytest.fixture
def product(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Product]:
    """The web server alone: nothing is ingested here."""
    made = Product(redis_pair, tmp_path)
    made.web.start()
    try:
        wait_until(lambda: made.port_file.exists() and made.call("GET", "/readyz")[0] == 200, "web ready")
        yield made
    finally:
        made.stop()


def embed(product: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, asking the server."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "embed", "--server", *arguments],
        env={**os.environ, "NEARFIELD_URL": product.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_official_client_embeds_lists_and_understands_errors(product: Product) -> None:
    expected = HashEmbedder().embed_documents(TEXTS)
    with openai.OpenAI(base_url=f"{product.url}/v1", api_key="any", max_retries=0) as client:
        for answer in (
            client.embeddings.create(model="hash", input=TEXTS),  # the client asks for base64 by itself
            client.embeddings.create(model="hash", input=TEXTS, encoding_format="float", user="somebody"),
            client.embeddings.create(model="hash", input=TEXTS, extra_body={"input_type": "query"}, dimensions=64),
        ):
            np.testing.assert_allclose([item.embedding for item in answer.data], expected, atol=1e-6)
            assert [item.index for item in answer.data] == [0, 1, 2]
            assert answer.model == "hash"
            assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3 + 1 + 2
        raw = client.embeddings.create(model="hash", input=TEXTS[0], encoding_format="base64").data[0].embedding
        assert isinstance(raw, str)
        np.testing.assert_allclose(np.frombuffer(base64.b64decode(raw), "<f4"), expected[0], atol=1e-6)

        listed = client.models.list()
        assert listed.data[0].id == "hash"
        assert {model.object for model in listed} == {"model"}
        assert client.models.retrieve("hash").owned_by == "nearfield"

        with pytest.raises(openai.NotFoundError, match="choose one of") as unknown:
            client.embeddings.create(model="text-embedding-3-small", input="tea")
        assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("org/no-such-model")
        with pytest.raises(openai.BadRequestError) as blank:
            client.embeddings.create(model="hash", input=["tea", ""])
        assert (blank.value.code, blank.value.param) == ("empty-text", "input[1]")
        with pytest.raises(openai.BadRequestError) as tokens:
            client.embeddings.create(model="hash", input=[[1, 2], [3]])
        assert tokens.value.code == "tokens-not-read"
        with pytest.raises(openai.BadRequestError) as shorter:
            client.embeddings.create(model="hash", input="tea", dimensions=32)
        assert shorter.value.param == "dimensions"
        with pytest.raises(openai.NotFoundError) as elsewhere:
            client.chat.completions.create(model="hash", messages=[{"role": "user", "content": "tea"}])
        assert elsewhere.value.code == "no-such-route"

    by_command = json.loads(embed(product, *TEXTS, "--json").stdout)
    assert (by_command["model"], by_command["dimensions"]) == ("hash", 64)
    np.testing.assert_allclose([item["embedding"] for item in by_command["embeddings"]], expected, atol=1e-6)
    refused = embed(product, "tea", "--model", "none", "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stderr)["error"]["code"] == "model_not_found"
