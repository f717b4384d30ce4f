from __future__ import annotations

from pathlib import Path

from services.demo.docstrings import CLASS, FUNCTION, MODULE, Docstring, read_built_in, read_source
from services.demo.modules import SourceModule, source_modules

SOURCE = '''"""What this module is for."""

import sys

def shown(first, *, second=2):
    """Does one thing and no other."""

def _hidden():
    """Is nobody's business at all, really."""

def terse():
    """Too short."""

if sys.platform == "win32":
    def either():
        """The one for Windows and its friends."""
else:
    def either():
        """The one for everybody else here."""

class Box:
    """Holds something until it is wanted."""

    def open(self):
        """Opens the box and looks in."""

    def __len__(self):
        """How many things are in it."""

    class Lid:
        """Keeps the dust out of it."""

async def later():
    """Comes back when it is done."""

raise RuntimeError("reading must not run the module")
'''


def read(tmp_path: Path, source: str) -> list[Docstring]:
    (tmp_path / "toys.py").write_text(source)
    return read_source(SourceModule("toys", tmp_path / "toys.py"))


def test_public_definitions_are_read_without_running_the_module(tmp_path: Path) -> None:
    found = read(tmp_path, SOURCE)
    assert [(docstring.kind, docstring.name) for docstring in found] == [
        (MODULE, "toys"),
        (FUNCTION, "toys.shown"),
        (FUNCTION, "toys.either"),
        (FUNCTION, "toys.either"),
        (CLASS, "toys.Box"),
        (FUNCTION, "toys.Box.open"),
        (CLASS, "toys.Box.Lid"),
        (FUNCTION, "toys.later"),
    ]
    assert found[1].signature == "shown(first, *, second=2)"
    assert [docstring.owner for docstring in found] == ["", "", "", "", "", "toys.Box", "", ""]


def test_a_file_this_python_cannot_parse_gives_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "def (") == []
    assert read(tmp_path, "x = '\0'") == []
    assert read_source(SourceModule("gone", tmp_path / "gone.py")) == []


def test_long_signatures_are_cut(tmp_path: Path) -> None:
    arguments = ", ".join(f"argument_number_{n}" for n in range(50))
    (found,) = read(tmp_path, f'def f({arguments}):\n    """Takes far too many arguments."""\n')
    assert len(found.signature) == 200
    assert found.signature.endswith("...")


def test_modules_written_in_c_are_read_under_their_public_name() -> None:
    found = {docstring.id: docstring for docstring in read_built_in("zlib", "zlib")}
    assert found["function:zlib.compress"].text.startswith("Returns a bytes object")
    assert found["module:zlib"].kind == MODULE
    assert "class:bz2.BZ2Compressor" in {docstring.id for docstring in read_built_in("_bz2", "bz2")}
    assert read_built_in("no_such_module_here", "x") == []


def test_files_are_found_in_order_and_under_public_names(tmp_path: Path) -> None:
    for name in ("zebra.py", "gzip.py", "_private.py", "_pydecimal.py", "test/support.py", "pack/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "pack" / "inner.py").write_text("")
    (tmp_path / "pack" / "_inner.py").write_text("")
    (tmp_path / "not_a_package").mkdir()
    (tmp_path / "not_a_package" / "stray.py").write_text("")
    names = [module.name for module in source_modules(tmp_path)]
    assert names == ["gzip", "decimal", "pack", "pack.inner", "zebra"]
