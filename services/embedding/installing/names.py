"""What an installed model may be called."""

from __future__ import annotations

from services.embedding.builtin import BUILTIN_SPECS
from services.embedding.resolving import INSTALLED_NAME
from services.errors import Conflict, InvalidInput

# Words of the API's addresses, the file of the chosen default, and what a hub client keeps in the same folder.
RESERVED = frozenset({"default", "families", "trainings", "hub", "assets", "xet", "token", "stored_tokens", "modules"})


def check_installed_name(name: str) -> str:
    """The name, if a model may be installed under it.

    Raises:
        InvalidInput: code "bad-model-name", it is a path, a reserved word or otherwise none.
        Conflict: code "model-exists", a built-in model is called so.
    """
    if name in BUILTIN_SPECS:
        raise Conflict(
            f"{name!r} is a built-in model and stays what it is; choose another name",
            code="model-exists",
            pointer="/name",
        )
    if not INSTALLED_NAME.fullmatch(name) or name.lower() in RESERVED or name.lower().endswith(".json"):
        raise InvalidInput(
            f"{name[:80]!r} cannot be the name of a model; allowed are 1 to 64 letters, digits, '.', '_' and '-', "
            f"beginning with a letter or digit, never a path, not ending in .json, and none of "
            f"{', '.join(sorted(RESERVED))}",
            code="bad-model-name",
            pointer="/name",
        )
    return name
