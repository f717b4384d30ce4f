"""Where the official documentation describes a documented thing."""

from __future__ import annotations

from services.demo.docstrings import MODULE, Docstring

_LIBRARY = "https://docs.python.org/3/library"
_WITHOUT_PAGE = frozenset({"opcode"})
# Submodules that have a page of their own; others are described on (or listed by) the page of their package.
# fmt: off
_OWN_PAGES = frozenset({
    "collections.abc", "concurrent.futures", "curses.ascii", "curses.panel", "email.charset", "email.generator",
    "email.header", "email.message", "email.parser", "email.policy", "html.entities", "html.parser", "http.client",
    "http.cookiejar", "http.cookies", "http.server", "importlib.metadata", "importlib.resources", "logging.config",
    "logging.handlers", "multiprocessing.shared_memory", "os.path", "unittest.mock", "urllib.error", "urllib.parse",
    "urllib.request", "urllib.robotparser", "xml.dom", "xml.dom.minidom", "xml.dom.pulldom", "xml.sax",
    "xml.sax.handler", "xml.sax.saxutils", "xmlrpc.client", "xmlrpc.server",
})
# fmt: on


def documentation_url(docstring: Docstring) -> str:
    """The page, with the anchor where the page is the module's own; "" for a module that is not documented."""
    if docstring.top_module in _WITHOUT_PAGE:
        return ""
    if docstring.module != docstring.top_module and docstring.module not in _OWN_PAGES:
        return f"{_LIBRARY}/{docstring.top_module}.html"
    page = f"{_LIBRARY}/{docstring.module}.html"
    return page if docstring.kind == MODULE else f"{page}#{docstring.name}"
