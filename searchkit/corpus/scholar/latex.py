"""LaTeX in bibliographies -> Unicode text that keeps its formulas, and back."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from searchkit.corpus.scholar.fields import joined

if TYPE_CHECKING:
    from pylatexenc.latex2text import LatexNodes2Text

# pylatexenc takes 9 us a character, so it gets one character for each run of plain text and each
# formula: of an abstract what is left is the few places that are LaTeX at all, often none
_PIECES = re.compile(
    r"(?P<formula>(?<!\\)\$(?:[^$\\]|\\.)+\$)"
    r"|\\(?P<sign>[%&#_$])"
    r"|(?P<command>\\(?:begin|end)\s*\{[^{}]*\}|\\[a-zA-Z]+\*?\s*[^\s\\{}$~%&]?"
    r"|\\[^a-zA-Z]\s*[^\s\\{}$~%&]?)"
    r"|(?P<plain>[%&$]|[^\\{}$~`'?!-]{2,})",
    re.DOTALL,
)
_PRIVATE = 0xF0000  # Supplementary Private Use Area-A: 65,534 characters that no text means
_N_PRIVATE = 0xFFFD
_MARKS = re.compile("[\U000f0000-\U000ffffd]")
_TEX_SIGNS = re.compile(r"[\\{}~]|--|``|''|[?!]`")
_LINK = re.compile(r"\\href\s*\{[^{}]*\}")  # of which the words in the next group are kept
_LIGATURES = {"---": "—", "--": "–", "``": "“", "''": "”", "!`": "¡", "?`": "¿", "~": " "}
_DRAWN = re.compile("|".join(map(re.escape, _LIGATURES)))

_MACROS = {  # what the library leaves out or spells otherwise; "" leaves the group behind it alone
    "textbraceleft": "{",
    "textbraceright": "}",
    "textasciicircum": "^",
    **dict.fromkeys("textsuperscript textsubscript uppercase lowercase hbox mathrm".split(), ""),
    **dict.fromkeys("em it bf tt rm sc sf sl itshape bfseries scshape ttfamily".split(), ""),
}

_SPECIALS = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
_SPECIAL = re.compile(r"[\\{}$&%#_^~]")
_LIGATURE = re.compile(r"(?<=[-`'<>,?!])(?=[-`'<>,])")  # signs that LaTeX would draw together
_FORMULA = re.compile(r"\$(?:[^$\\%]|\\.)+\$")


def from_latex(text: str) -> str:
    """The text in one line of Unicode: accents composed, groups opened, formulas as they are.

    A text whose commands cannot be read, such as a link without an address, stays as it is.
    """
    if not _TEX_SIGNS.search(text):
        return joined(text)
    kept: list[str] = []

    def shorten(piece: re.Match[str]) -> str:
        if piece.lastgroup == "command" or len(kept) >= _N_PRIVATE:
            return piece[0]
        kept.append(piece[piece.lastgroup or 0])
        return chr(_PRIVATE + len(kept) - 1)

    shortened = _PIECES.sub(shorten, _MARKS.sub("\ufffd", _LINK.sub("", text)))
    if "\\" not in shortened:
        drawn = _DRAWN.sub(lambda sign: _LIGATURES[sign[0]], shortened)
        read = drawn.replace("{", "").replace("}", "")
    else:
        try:
            read = _reader().latex_to_text(shortened, tolerant_parsing=True)
        except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
            return joined(text)  # what pylatexenc's commands raise where an argument is missing
    return joined(_MARKS.sub(lambda mark: kept[ord(mark[0]) - _PRIVATE], read))


@lru_cache(maxsize=1)
def _reader() -> LatexNodes2Text:
    from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db

    def unknown(node: Any) -> str:  # noqa: ANN401 - of a library without types
        return f"{node.macroname}{node.macro_post_space or ' '}"

    def address(node: Any, l2tobj: LatexNodes2Text) -> str:  # noqa: ANN401 - as above
        given = node.nodeargd.argnlist if node.nodeargd else []
        return str(l2tobj.nodelist_to_text(given))

    # what it says of commands that it cannot place is not for the reader of a bibliography
    logging.getLogger("pylatexenc").addHandler(logging.NullHandler())
    context = get_default_latex_context_db()
    context.add_context_category(
        "bibliographies",
        prepend=True,
        macros=[
            *(MacroTextSpec(name, simplify_repl=sign) for name, sign in _MACROS.items()),
            MacroTextSpec("url", simplify_repl=address),
        ],
    )
    context.set_unknown_macro_spec(MacroTextSpec("", simplify_repl=unknown))
    return LatexNodes2Text(latex_context=context, math_mode="verbatim", keep_comments=True)


def to_latex(text: str) -> str:
    """The text with every sign that LaTeX would act on written out, its formulas as they are.

    Letters stay Unicode, which BibTeX and biber have read for years.
    """
    done, end = [], 0
    for found in _FORMULA.finditer(text):
        if _is_balanced(found[0]):
            done += [_escaped(text[end : found.start()]), found[0]]
            end = found.end()
    return "".join((*done, _escaped(text[end:])))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda sign: _SPECIALS[sign[0]], _LIGATURE.sub("\0", text)).replace(
        "\0", "{}"
    )


def _is_balanced(formula: str) -> bool:
    """Whether braces close as BibTeX counts them, which sees no backslash before them."""
    depth = 0
    for sign in re.findall(r"[{}]", formula):
        depth += 1 if sign == "{" else -1
        if depth < 0:
            return False
    return depth == 0
