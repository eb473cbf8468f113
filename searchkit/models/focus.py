"""A query and a document -> the document's text with what answers the query first."""

from __future__ import annotations

import re

from searchkit.models.sentences import split_sentences

_WORD = re.compile(r"[^\W_]+")
_STEM = 5  # letters of a word that are compared: endings fall away in most languages
# Words that say nothing of a topic; anything shorter than three letters is left out anyway.
_EMPTY = frozenset(
    "about after all also among and any are because been before between both but can could did "
    "does done during each either for found from further had has have here how however into its "
    "itself more most not one only other our out over same shown since some such than that the "
    "their them then there therefore these they this those through thus under until upon use used "
    "using very was were what when where whether which while who whose why will with within "
    "without would you your".split()
)
_FLATTENER = 10  # words added to a sentence's length, so that short ones do not always win


def focus(query: str, title: str, text: str) -> str:
    """The title, then all sentences of the text, those that share most with the query first.

    A reader with room for few tokens so reads what matters. The order depends on this pair alone:
    shared words (their first five letters, each once) over the root of the sentence's length;
    sentences that share nothing, or equally much, keep their order. No sentence is lost.
    """
    sentences = split_sentences(text)
    asked = topics(query)
    if asked and len(sentences) > 1:
        shares = [_share(asked, sentence) for sentence in sentences]
        order = sorted(range(len(sentences)), key=lambda n: -shares[n])
        sentences = [sentences[n] for n in order]
    return " ".join([title.strip(), *sentences]).strip()


def topics(text: str) -> set[str]:
    """The words of a text that can name a topic, lower-case, cut to their first five letters."""
    words = _WORD.findall(text.lower())
    return {word[:_STEM] for word in words if len(word) > 2 and word not in _EMPTY}


def _share(asked: set[str], sentence: str) -> float:
    lowered = sentence.lower()
    if not any(start in lowered for start in asked):  # most sentences: no need to see their words
        return 0.0
    shared = len(asked & topics(sentence))
    return shared / (sentence.count(" ") + 1 + _FLATTENER) ** 0.5 if shared else 0.0
