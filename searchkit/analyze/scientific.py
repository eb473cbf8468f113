"""Chunks of scientific text (what stands between spaces) -> the words in them.

One rule for documents and queries, so that the many spellings of one thing meet:
`$\\Lambda$CDM`, `ΛCDM` and `LambdaCDM` are `lambda cdm`; `H_0`, `H₀` and `$H_{0}$` are `h0`;
`TiO$_2$` is `tio2`; `SARS-CoV-2` and `SARS-CoV2` are `sars cov 2`; `NGC4258` is `ngc 4258`;
`1,000` is `1000` and `0.05` stays whole. Citation commands and markers leave nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from searchkit.analyze.strings import booleans, int64s, large_strings

LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "sigma tau upsilon phi chi psi omega"
).split()
_SMALL = "αβγδεζηθικλμνξοπρστυφχψω"
_LARGE = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"
_GREEK = dict(zip(_SMALL + _LARGE, LETTERS * 2, strict=True))
_GREEK |= {"ϵ": "epsilon", "ϑ": "theta", "ϕ": "phi", "ϱ": "rho", "ς": "sigma", "ϖ": "pi"}

# whole constructs that hold spaces of their own; looked for only in texts with their signs
_MARKERS = (
    (("MATH",), r"\[ ?MATH ?_ ?tex ?="),
    (("\\cit", "\\nocit"), r"\\(?:no)?cit[a-zA-Z]*\*?(?:\[[^\]]*\])*\{[^}]*\}"),
    (("<",), r"</?[a-zA-Z]{1,12}[0-9]?/?>"),
    (("##",), r" ?##"),
)

# names short or common enough to stand inside other words (pi, eta, mu) are left alone
_LONG = "alpha|beta|gamma|delta|epsilon|theta|kappa|lambda|sigma|omega"
_LETTER = r"[A-Za-z\x{80}-\x{10ffff}]"  # \pL takes RE2 a millisecond to compile, each time
_POINT = "\x1f"  # stands for a decimal point while signs become spaces
_STEPS = (  # (pattern, replacement), each run over the whole vocabulary
    (r"[\x00-\x1f]", " "),
    (rf"^((?i:{_LONG}))([A-Z0-9])", r"\1 \2"),
    (rf"([A-Z0-9])({_LONG})", r"\1 \2 "),
    (rf"({_LETTER})'s\b", r"\1"),
    (r"([0-9]),([0-9]{3})", r"\1\2"),
    (r"([0-9])\.([0-9])", rf"\1{_POINT}\2"),
    (rf"({_LETTER}{_LETTER})([0-9])", r"\1 \2"),
)
_STEPPED = rf"[\x00-\x1f0-9']|(?i:{_LONG})"  # chunks that a step may change
_ASCII_SIGNS = r"[\x00-\x1e\x20-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+"
_SIGNS = rf"[^\pL\pN\pM{_POINT}]+"

# the same for few texts, compiled once: Arrow compiles each pattern anew at every call
_BARE_MARKERS = [(signs, re.compile(pattern)) for signs, pattern in _MARKERS]
_ASCII_STEPS = [
    (re.compile(pattern.replace(_LETTER, "[A-Za-z]"), re.ASCII), replacement)
    for pattern, replacement in _STEPS
]
_ASCII_STEPPED = re.compile(_STEPPED, re.ASCII)
_ODD, _SIGN_RUN = re.compile(r"[\\$^_{}]"), re.compile(_ASCII_SIGNS)
_SPACES = re.compile(r"[ \t\n\v\f\r]+")

_COMMAND = re.compile(r"\\([a-zA-Z]+)\*?")
_GREEK_RUN = re.compile(r"[\u0370-\u03ff]+")
_UNDERSCORE = re.compile(r"([^\W\d_]{2,})_+([^\W\d_]{2,})")
_GLUE = re.compile(r"[\^_{}$]")


def strip_markers(texts: pa.Array) -> pa.Array:
    """Texts without citation commands, inline tags, math labels and word-piece marks.

    texts: (n,) large_string without null.
    """
    for signs, pattern in _MARKERS:
        marked = _holding(texts, signs)
        if len(marked):
            bare = pc.replace_substring_regex(texts.take(int64s(marked)), pattern, " ")
            mask = np.zeros(len(texts), np.bool_)
            mask[marked] = True
            texts = pc.replace_with_mask(texts, booleans(mask), bare)
    return texts


def _holding(texts: pa.Array, signs: Sequence[str]) -> NDArray[np.int64]:
    """Which texts hold one of the signs: (n,) ascending. Python's search is Arrow's ten times."""
    first, size = texts.offset, len(texts)
    if not size:
        return np.empty(0, np.int64)
    starts = np.frombuffer(texts.buffers()[1], np.int64)[first : first + size + 1]
    letters = memoryview(texts.buffers()[2] or b"")[starts[0] : starts[-1]].tobytes()
    ends, found = (starts[1:] - starts[0]).tolist(), set()
    for sign in signs:
        at = letters.find(sign.encode())
        while at >= 0:
            text = bisect_right(ends, at)
            found.add(text)
            at = letters.find(sign.encode(), ends[text])
    return np.array(sorted(found), np.int64)


def words(chunks: pa.Array) -> pa.Array:
    """What each chunk says: words in lower case between single spaces, accents kept.

    chunks: (n,) large_string without null -> (n,) large_string; a chunk of signs gives "".
    """
    odd = pc.match_substring_regex(chunks, r"[^\x00-\x7F]|[\\$^_{}]")
    if pc.any(odd).as_py():
        plain = pc.utf8_normalize(chunks.filter(odd), form="NFKC").to_pylist()
        mended = large_strings([_untangle(chunk) for chunk in plain])
        chunks = pc.replace_with_mask(chunks, odd, mended)
    marked = pc.match_substring_regex(chunks, _STEPPED)  # a sixth of the cost of all steps
    part = chunks.filter(marked)
    for pattern, replacement in _STEPS:
        part = pc.replace_substring_regex(part, pattern, replacement)
    chunks = pc.replace_with_mask(chunks, marked, part)
    signs = _ASCII_SIGNS if pc.all(pc.string_is_ascii(chunks)).as_py() else _SIGNS
    spelled = pc.replace_substring_regex(pc.utf8_lower(chunks), signs, " ")
    return pc.utf8_trim_whitespace(pc.replace_substring(spelled, _POINT, "."))


def ascii_words(text: str) -> list[str]:
    """The words of one ASCII text, "" among them: what the functions above find, for a query.

    About a seventh of their time for a dozen words, and more than it from a hundred on.
    """
    return [word for chunk in chunks_of(text) for word in ascii_chunk(chunk).split(" ")]


def chunks_of(text: str) -> list[str]:
    """One text without markers, cut at ASCII spaces; "" where it begins or ends with one."""
    for signs, marker in _BARE_MARKERS:
        if any(sign in text for sign in signs):
            text = marker.sub(" ", text)
    return _SPACES.split(text)


def ascii_chunk(chunk: str) -> str:
    """What `words` makes of one chunk of ASCII text."""
    if _ODD.search(chunk):
        chunk = _untangle(chunk)
    if _ASCII_STEPPED.search(chunk):
        for pattern, replacement in _ASCII_STEPS:
            chunk = pattern.sub(replacement, chunk)
    return _SIGN_RUN.sub(" ", chunk.lower()).replace(_POINT, ".").strip(" ")


def fold_accents(texts: pa.Array) -> pa.Array:
    """Letters without their accents: Poincaré -> Poincare."""
    accented = pc.match_substring_regex(texts, r"[^\x00-\x7F]")
    if not pc.any(accented).as_py():
        return texts
    apart = pc.utf8_normalize(texts.filter(accented), form="NFKD")
    bare = pc.replace_substring_regex(apart, r"[\x{0300}-\x{036f}]", "")
    return pc.replace_with_mask(texts, accented, pc.utf8_normalize(bare, form="NFKC"))


def _untangle(chunk: str) -> str:
    """A chunk without LaTeX, its Greek letters spelled out, its indices joined to their symbol."""
    chunk = chunk.replace("’", "'").replace("\u00ad", "").replace("\u2212", "-")
    if "\\" in chunk:
        chunk = _COMMAND.sub(_spell_command, chunk)
    chunk = _GREEK_RUN.sub(_spell_letters, chunk)
    return _GLUE.sub("", _UNDERSCORE.sub(r"\1 \2", chunk))


def _spell_command(command: re.Match[str]) -> str:
    name = command[1].removeprefix("var")
    return f" {name.lower()} " if name.lower() in LETTERS else " "


def _spell_letters(run: re.Match[str]) -> str:
    # one or two letters are symbols; more are a Greek word
    return run[0] if len(run[0]) > 2 else "".join(f" {_GREEK.get(c, c)} " for c in run[0])
