"""The short sentence a page shows after a form was carried out. The URL holds a code, never the sentence itself."""

from __future__ import annotations

from collections.abc import Mapping

from werkzeug.datastructures import MultiDict

from web.pages.words import number, plural

NOTICES: Mapping[str, str] = {
    "created": "The collection is ready. Put something in it.",
    "saved": "Saved.",
    "accepted": "Taken in: {n}. Each can be found as soon as it has been read.",
    "unchanged": "Nothing new: {n} already here, word for word.",
    "deleting": "Deleting the document.",
    "deleted-collection": "The collection is deleted.",
    "retrying": "Trying again: {n}.",
    "cancelled": "Cancelled what was still waiting: {n}.",
    "resumed": "Taken up again: {n}.",
    "nothing-to-resume": "There was nothing left to take up again.",
    "nothing-to-cancel": "There was nothing left to cancel.",
    "nothing-to-retry": "There was nothing left to try again.",
}


def notice(args: MultiDict[str, str]) -> str:
    """The sentence for the codes in a page's URL, "" for none or an unknown one."""
    sentence = NOTICES.get(args.get("done", ""), "")
    count = args.get("n", "")
    known = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else 0
    return sentence.format(n=plural(known, "document") if known else number(known))
