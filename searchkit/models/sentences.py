"""A text -> its sentences, by punctuation alone."""

from __future__ import annotations

import re

# A stop, closing quotes or brackets, space, then what can open a sentence; or a stop that spaces
# set apart on both sides, as tokenised corpora write it.
_BOUNDARY = re.compile(r"""(?<=[.!?؟。])["'”’)\]]*\s+(?=[^\Wa-z_]|["'“‘(\[$\\])|(?<=\s[.!?])\s+""")
_ABBREVIATION = re.compile(
    r"(?:(?i:\b(?:et al|e\.\s?g|i\.\s?e|vs|cf|figs?|eqs?|refs?|secs?|dr|prof|no|approx|ca|resp"
    r"|spp?|var|subsp|st))|\b[A-Z])\.$"
)
_REACH = 12  # characters before a boundary that can show an abbreviation


def split_sentences(text: str) -> list[str]:
    """The sentences of a text in order, stripped, none empty; a blank text has none.

    Scientific abbreviations (`et al.`, `Fig.`) and initials do not end a sentence, nor does a
    stop before a lower-case letter. No character but white space is lost.
    """
    sentences, start = [], 0
    for boundary in _BOUNDARY.finditer(text):
        if _ABBREVIATION.search(text[max(start, boundary.start() - _REACH) : boundary.start()]):
            continue
        sentences.append(text[start : boundary.end()].strip())
        start = boundary.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]
