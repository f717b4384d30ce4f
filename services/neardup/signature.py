"""What is remembered of a text so that its near-duplicates are found: a hash of it, and 72 minima of its shingles.

A shingle is five words in a row (in scripts without blanks: five characters). Two texts are as alike as the shingles
they share are to all they have (Jaccard); the share of equal minima estimates that, with a standard deviation of 0.035
at a likeness of 0.9. The first 36 minima also make 6 bands of 6: texts are compared only when a band is equal. How
likely that is (1 - (1 - s^6)^6), beside other ways to cut minima into bands:

    likeness s           0.3    0.5    0.7    0.8    0.9    0.95   kept per document
    6 bands of 6         0.004  0.09   0.53   0.84   0.989  0.9997   6 entries
    6 bands of 12        0.000  0.001  0.08   0.35   0.863  0.991    6 entries
    9 bands of 8         0.001  0.03   0.41   0.81   0.994  0.9999   9 entries
    12 bands of 6        0.009  0.17   0.78   0.98   1.000  1.0     12 entries

A pair that meets by chance costs one comparison of 144 bytes; an entry costs about 150 bytes of the index server for as
long as its document lives (1.5 kB altogether, ``python -m bench.neardup``). So six entries, and all 72 minima for the
comparison.

Pure: text in, bytes out. The constants are part of what is stored: other ones only make old signatures unlike new ones.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

MINIMA = 72
BANDS, ROWS = 6, 6
SHINGLE_WORDS = 5
MIN_WORDS = 20
"""A shorter text has too few shingles to be nearly anything: it is only the same as another or not."""
_BAND_BYTES = 6
_EXACT_BYTES = 16
_SHINGLES_AT_ONCE = 4096

_WORD = re.compile(r"\w+")
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD_OR_SIGN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def _constants(count: int, salt: bytes) -> NDArray[np.uint64]:
    """The same numbers on every machine, for ever; odd, so that a multiplication loses nothing."""
    digests = b"".join(hashlib.blake2b(bytes([n]), key=salt, digest_size=8).digest() for n in range(count))
    return np.frombuffer(digests, "<u8").astype(np.uint64) | np.uint64(1)


_PLACES = _constants(SHINGLE_WORDS, b"place in the shingle")
_FACTORS = _constants(MINIMA, b"factor")[:, None]
_MASKS = _constants(MINIMA, b"mask")[:, None]


@dataclass(frozen=True, slots=True)
class Signature:
    """``exact`` is equal for equal texts. ``minima`` are 72 numbers of 2 bytes and ``bands`` 6 strings of 6 bytes; both
    are empty for a short text."""

    exact: bytes
    minima: bytes = b""
    bands: tuple[bytes, ...] = ()


def sign(text: str, title: str = "") -> Signature | None:
    """The signature of a text; None for a blank one, which is nobody's duplicate.

    White space and compatibility forms make no difference. Case and punctuation do to what is the same, and do not to
    what is nearly the same. ``title`` counts for short texts alone: "in stock" says nothing without it.
    """
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    plain = " ".join(text.split())
    if not plain:
        return None
    words = _words(plain)
    if len(words) < MIN_WORDS:
        return Signature(_hash(f"{' '.join(title.split())}\0{plain}"))
    minima = _minima(_shingles(words))
    return Signature(_hash(plain), minima.tobytes(), tuple(_bands(minima)))


def likeness(one: bytes, other: bytes) -> float:
    """About how alike two texts are, 0 to 1, by their ``minima``; 0 where a text was too short to have any."""
    if len(one) != 2 * MINIMA or len(other) != 2 * MINIMA:
        return 0.0
    return float(np.mean(np.frombuffer(one, "<u2") == np.frombuffer(other, "<u2")))


def _words(plain: str) -> list[str]:
    return _WORD.findall(plain.lower()) if plain.isascii() else _WORD_OR_SIGN.findall(plain.casefold())


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_EXACT_BYTES).digest()


def _shingles(words: list[str]) -> NDArray[np.uint64]:
    """A well mixed 64-bit number for each run of five words."""
    codes = np.fromiter((crc32(word.encode("utf-8", "surrogatepass")) for word in words), np.uint64, len(words))
    count = len(codes) - SHINGLE_WORDS + 1
    mixed = np.zeros(count, np.uint64)
    for place in range(SHINGLE_WORDS):
        mixed += _mix(codes[place : place + count]) * _PLACES[place]
    return _mix(mixed)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64: each bit of the result depends on every bit of the value."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return mixed


def _minima(shingles: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """For each of 72 random orders the first shingle in it, as 16 bits: two that differ look equal once in 65,536."""
    least = np.full(MINIMA, np.iinfo(np.uint64).max, np.uint64)
    for first in range(0, len(shingles), _SHINGLES_AT_ONCE):
        part = shingles[None, first : first + _SHINGLES_AT_ONCE]
        np.minimum(least, ((part ^ _MASKS) * _FACTORS).min(axis=1), out=least)
    return _mix(least).astype("<u2")


def _bands(minima: NDArray[np.uint16]) -> list[bytes]:
    rows = minima[: BANDS * ROWS].reshape(BANDS, ROWS)
    return [hashlib.blake2b(row.tobytes(), digest_size=_BAND_BYTES).digest() for row in rows]
