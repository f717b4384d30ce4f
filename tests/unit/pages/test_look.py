"""What the content security policy, "nothing from elsewhere" and WCAG AA ask of templates and styles."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "web"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
STYLES = sorted((WEB / "static").glob("*.css"))
SCRIPTS = sorted((WEB / "static").glob("*.js"))
TOKENS = (WEB / "static" / "tokens.css").read_text("utf-8")

# Text on its ground, at least 4.5:1 (WCAG 1.4.3).
TEXT_PAIRS = [
    ("ink", "paper"),
    ("ink-2", "paper"),
    ("ink-3", "paper"),
    ("ink-3", "raised"),
    ("accent", "paper"),
    ("accent", "raised"),
    ("accent-strong", "paper"),
    ("on-accent", "accent"),
    ("ink", "accent-soft"),
    ("bad", "paper"),
    ("ink", "bad-soft"),
    ("paper", "bad"),
]
# Borders of controls and marks that carry meaning, at least 3:1 (WCAG 1.4.11).
SHAPE_PAIRS = [("line-strong", "paper"), ("line-strong", "raised"), ("accent", "paper"), ("accent", "raised")]


def test_there_is_something_to_check() -> None:
    assert len(TEMPLATES) > 10
    assert len(STYLES) >= 3
    assert len(SCRIPTS) >= 5


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_inline_script_or_style_and_turn_no_escaping_off(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style\b|\sstyle\s*=|\son[a-z]+\s*=|javascript:", text, re.IGNORECASE)
    assert not re.search(r"\|\s*safe\b|autoescape\s+false|Markup\(", text)


@pytest.mark.parametrize("path", [*TEMPLATES, *STYLES, *SCRIPTS], ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", path.read_text("utf-8"))
    assert not [address for address in found if "w3.org" not in address]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_make_no_markup_out_of_text(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    for imported in re.findall(r'from "([^"]+)"', text):
        assert imported.startswith("./")
        assert (path.parent / imported).is_file()


def test_every_colour_is_a_token() -> None:
    for path in STYLES:
        if path.name != "tokens.css":
            assert not re.search(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|\boklch\(", path.read_text("utf-8")), (
                path.name
            )


def test_every_token_that_is_used_exists_in_both_schemes() -> None:
    used = {name for path in STYLES for name in re.findall(r"var\(--([\w-]+)", path.read_text("utf-8"))}
    light, dark = schemes()
    known = set(re.findall(r"--([\w-]+):", TOKENS)) | {"edge"}
    assert used <= known, used - known
    assert set(dark) == {name for name in light if name in dark}
    assert {name for pair in TEXT_PAIRS for name in pair} <= set(dark)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT_PAIRS)
def test_text_can_be_read(scheme: str, ink: str, ground: str) -> None:
    colours = dict(zip(("light", "dark"), schemes(), strict=True))[scheme]
    assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPE_PAIRS)
def test_controls_can_be_seen(scheme: str, shape: str, ground: str) -> None:
    colours = dict(zip(("light", "dark"), schemes(), strict=True))[scheme]
    assert contrast(colours[shape], colours[ground]) >= 3.0


def schemes() -> tuple[dict[str, str], dict[str, str]]:
    """The colours of the light and of the dark scheme, by token."""
    light, dark = TOKENS.split("@media (prefers-color-scheme: dark)")
    return dict(_colours(light)), dict(_colours(dark))


def _colours(css: str) -> list[tuple[str, str]]:
    return re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6});", css)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as WCAG 2 defines it, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb"."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_contrast_formula_knows_black_on_white() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21.0
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


DOCS = WEB / "docspage"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_api_page_has_the_colours_of_the_others(scheme: str) -> None:
    own = (DOCS / "docs.css").read_text("utf-8").split("@media (prefers-color-scheme: dark)")
    colours = dict(zip(("light", "dark"), (dict(_colours(css)) for css in own), strict=True))[scheme]
    pages = dict(zip(("light", "dark"), schemes(), strict=True))[scheme]
    assert colours
    assert colours == {name: pages[name] for name in colours}


def test_the_api_pages_viewer_is_put_into_its_dark_scheme() -> None:
    """By the class that its own dark rules hang on, which may be called otherwise in another release."""
    script = (DOCS / "docs.js").read_text("utf-8")
    (switched,) = re.findall(r'classList\.toggle\("([\w-]+)", dark\.matches\)', script)
    packaged = (
        files("flask_openapi_swagger").joinpath("templates", "swagger", "css", "swagger-ui.css").read_text("utf-8")
    )
    assert packaged.count(f"html.{switched} .swagger-ui") > 50
    assert '<meta name="color-scheme" content="light dark">' in (DOCS / "docs.html").read_text("utf-8")
