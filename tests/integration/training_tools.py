"""Documents to learn from."""

from __future__ import annotations

from typing import Any

TOPICS = {
    "tea": "leaves steeped in hot water green black oolong kettle cup morning",
    "ships": "harbour sail mast captain anchor storm rope deck voyage island",
    "maths": "theorem proof number prime algebra lemma field matrix vector sum",
}


def documents() -> list[dict[str, Any]]:
    """Thirty short documents about three things."""
    return [
        {"id": f"{topic}-{n}", "text": f"{topic} " + " ".join(words.split()[n % 7 :] + words.split()[: n % 5])}
        for topic, words in TOPICS.items()
        for n in range(10)
    ]
