"""Texts for the browser tests, made so that the hash model (shared words are nearness) ranks them predictably."""

from __future__ import annotations

from typing import Any

FIELDS = {"kind": "tag", "year": "number", "published": "date", "open": "boolean"}


def animals() -> list[dict[str, Any]]:
    """Thirty documents in three kinds; each names its animal, so its name finds it."""
    names = {
        "bird": [
            "sparrow",
            "heron",
            "kestrel",
            "magpie",
            "puffin",
            "wagtail",
            "cormorant",
            "nightjar",
            "bittern",
            "owl",
        ],
        "fish": [
            "herring",
            "mackerel",
            "sturgeon",
            "pike",
            "lamprey",
            "turbot",
            "halibut",
            "anchovy",
            "grayling",
            "eel",
        ],
        "mammal": ["badger", "hedgehog", "otter", "weasel", "marten", "dormouse", "shrew", "beaver", "polecat", "lynx"],
    }
    return [
        {
            "id": f"{kind}/{name}",
            "title": f"The {name}",
            "text": f"The {name} is a {kind}. Where a {name} lives, people tell stories of the {name} and its young.",
            "url": f"https://example.org/{name}",
            "metadata": {
                "kind": kind,
                "year": 2000 + place,
                "published": f"2026-{place + 1:02d}-15",
                "open": place % 2 == 0,
            },
        }
        for kind, group in names.items()
        for place, name in enumerate(group)
    ]


def long_document() -> dict[str, Any]:
    """A document far longer than a screen with one paragraph about something else in its middle."""
    filler = [f"Paragraph {number} speaks about ordinary weather and the plain road." for number in range(400)]
    needle = "Zymurgy chronicles: fermenting barley ümlaut 🜚 <b>not bold</b> &amp; brewing kettles."
    return {"id": "long", "title": "A long walk", "text": "\n\n".join([*filler[:200], needle, *filler[200:]])}


NEEDLE_WORDS = "zymurgy chronicles fermenting barley brewing kettles"
