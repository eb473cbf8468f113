"""LaTeX in bibliographies -> Unicode text that keeps its formulas, and back."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from searchkit.corpus.rows import BadRow
from searchkit.corpus.scholar.fields import joined

if TYPE_CHECKING:
    from pylatexenc.latex2text import LatexNodes2Text

# pylatexenc reads a character in 9 us, so it gets one character for each run of plain text: of an
# abstract what is left is the few places that are LaTeX at all
_PIECES = re.compile(
    r"(\\(?:begin|end)\s*\{[^{}]*\}|\\[a-zA-Z]+\*?\s*[^\s\\{}$~%]?|\\[^a-zA-Z]\s*[^\s\\{}$~%]?)"
    r"|([^\\{}$~%`'<>&#_^?!,-]{2,})"
)
_PRIVATE = 0xF0000  # Supplementary Private Use Area-A: 65,534 characters that no text means
_N_PRIVATE = 0xFFFD
_MARKS = re.compile("[\U000f0000-\U000ffffd]")
_TEX_SIGNS = re.compile(r"[\\{}$~]|--|``|''|[?!]`|<<|>>")
_LINK = re.compile(r"\\href\s*\{[^{}]*\}")  # of which the words in the next group are kept
_BARE_PERCENT = re.compile(r"(?<!\\)%")

_MACROS = {  # what the library leaves out or spells otherwise; "" leaves the group behind it alone
    "textbraceleft": "{",
    "textbraceright": "}",
    "textasciicircum": "^",
    **dict.fromkeys(("textsuperscript", "textsubscript", "uppercase", "lowercase", "hbox"), ""),
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

    BadRow for groups within groups without end.
    """
    if not _TEX_SIGNS.search(text):
        return joined(text)
    plain: list[str] = []

    def shorten(piece: re.Match[str]) -> str:
        if piece[2] is None or len(plain) >= _N_PRIVATE:
            return piece[0]
        plain.append(piece[2])
        return chr(_PRIVATE + len(plain) - 1)

    text = _BARE_PERCENT.sub(r"\\%", _LINK.sub("", text))
    shortened = _PIECES.sub(shorten, _MARKS.sub("\ufffd", text))
    try:
        read = _reader().latex_to_text(shortened, tolerant_parsing=True)
    except RecursionError:
        raise BadRow("malformed LaTeX", "braces stand within braces without end") from None
    except (LookupError, ValueError, TypeError, AttributeError) as error:  # of one of its commands
        why = f"a LaTeX command has not what belongs to it ({error}). Write it out or remove it"
        raise BadRow("malformed LaTeX", why) from error
    return joined(_MARKS.sub(lambda mark: plain[ord(mark[0]) - _PRIVATE], read))


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
