"""Equations of Office documents as one line of text: "x=(-b±√(b^2-4ac))/(2a)"."""

from __future__ import annotations

from collections.abc import Callable

from services.ingest.extract.safe_xml import Element, local_name

_PROPERTIES = 2  # "fPr", "radPr": formatting ends in these letters


def math_text(node: Element) -> str:
    """The text of an ``oMath`` element or anything inside one."""
    name = local_name(node)
    if name == "t":
        return node.text or ""
    rule = _RULES.get(name)
    return rule(node) if rule else _inside(node)


def _inside(node: Element) -> str:
    return "".join(math_text(child) for child in node if local_name(child)[-_PROPERTIES:] != "Pr")


def _part(node: Element, name: str) -> str:
    return "".join(_inside(child) for child in node if local_name(child) == name)


def _grouped(text: str) -> str:
    return text if len(text) < 2 or text.isalnum() else f"({text})"


def _fraction(node: Element) -> str:
    return f"{_grouped(_part(node, 'num'))}/{_grouped(_part(node, 'den'))}"


def _scripts(node: Element) -> str:
    below, above = _part(node, "sub"), _part(node, "sup")
    return _part(node, "e") + (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")


def _root(node: Element) -> str:
    return f"{_part(node, 'deg')}√({_part(node, 'e')})"


def _sum(node: Element) -> str:
    """Sums and integrals; without a sign of its own it is an integral."""
    below, above = _part(node, "sub"), _part(node, "sup")
    limits = (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")
    return f"{_sign(node, 'chr', '∫')}{limits} {_part(node, 'e')}"


def _brackets(node: Element) -> str:
    inside = ", ".join(_inside(child) for child in node if local_name(child) == "e")
    return f"{_sign(node, 'begChr', '(')}{inside}{_sign(node, 'endChr', ')')}"


def _matrix_row(node: Element) -> str:
    return ", ".join(_inside(child) for child in node) + "; "


def _sign(node: Element, name: str, usual: str) -> str:
    for properties in node:
        if local_name(properties)[-_PROPERTIES:] == "Pr":
            for child in properties:
                if local_name(child) == name:
                    return next((str(value) for key, value in child.attrib.items() if key.endswith("val")), "")
    return usual


_RULES: dict[str, Callable[[Element], str]] = {
    "f": _fraction,
    "sSup": _scripts,
    "sSub": _scripts,
    "sSubSup": _scripts,
    "rad": _root,
    "nary": _sum,
    "d": _brackets,
    "mr": _matrix_row,
}
