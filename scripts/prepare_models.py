"""The last step of set-up: the default model converted for this machine, so that the first start need not wait.

The conversion takes 10 to 20 s and 1.2 GB of memory. Where it does not succeed nothing is lost: the product then does
it at its first start, or runs on torch and says why.
"""

from __future__ import annotations

import sys

from services.embedding.builtin import MINILM_SPEC
from services.embedding.options import LoadOptions, prepared_models
from services.embedding.registry import ModelRegistry
from services.errors import ModelError


def main() -> int:
    """Converts; returns the exit status."""
    folder = prepared_models()
    try:
        runtime = ModelRegistry(LoadOptions(cache_dir=folder.parent)).load(MINILM_SPEC.name).runtime
    except ModelError as error:
        print(f"{MINILM_SPEC.name} is not converted: {error.message}", file=sys.stderr)
        return 1
    if runtime.name != "openvino":
        print(f"{MINILM_SPEC.name} is not converted: {runtime.why}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
