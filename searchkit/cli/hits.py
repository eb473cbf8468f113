"""Hits -> what a person reads of them, and JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence

from searchkit.cli.highlight import Passage, excerpt, mark
from searchkit.cli.screen import FAINT, MATCH, STRONG, Piece, Screen
from searchkit.protocols import Analyzer, PairScorer
from searchkit.rerank import RerankOptions
from searchkit.search.answer import Answer
from searchkit.search.searcher import clean
from searchkit.search.stages import CASCADED, Stages
from searchkit.types import Doc, Hit

_LINES = 2  # of text under each title on a terminal
_FILLED = 0.9  # of a line, before a word goes to the next one
_PLAIN_CHARACTERS = 240  # of text under each title elsewhere
_VENUES = ("venue", "journal", "booktitle")


def show_answer(
    screen: Screen, answer: Answer, *, query: str, analyzer: Analyzer, explain: bool = False
) -> None:
    """Every hit: rank and title, score and identity, its best passage, versions of the same work.

    explain: under each its waterfall, the terms that matched and what the models could not read.
    """
    hits, query = answer.hits, clean(query)
    if not hits:
        screen.write(no_hits(answer))
    titles = mark([hit.doc.title for hit in hits], query, analyzer)
    texts = mark([hit.doc.text for hit in hits], query, analyzer)
    margin = len(str(len(hits))) + 2
    for hit, title, text in zip(hits, titles, texts, strict=True):
        shown = title if title.text else Passage("(no title)", ())
        screen.write(f"{hit.rank:>{margin - 2}}  ", *marked(shown, STRONG))
        screen.write((f"{hit.score:.4f}  {identity(hit.doc)}", FAINT), indent=margin)
        if text.text:
            screen.write(*marked(excerpt(text, _room(screen, margin))), indent=margin)
        if hit.versions:
            others = "; ".join(map(identity, hit.versions))
            screen.write(("versions ", FAINT), others, indent=margin)
        if explain:
            show_trace(screen, hit, stages=list(answer.n_candidates), indent=margin)
        screen.write()


def no_hits(answer: Answer) -> str:
    """That there are none, and why."""
    return f"No document matches: {answer.why_none}." if answer.why_none else "No document matches."


def show_trace(screen: Screen, hit: Hit, *, stages: Sequence[str], indent: int) -> None:
    """Rank and score in every stage, then terms with what they gave, then what was cut off."""
    rows = [["stage", "rank", "score"]]
    for stage in stages:
        place = hit.trace.stages.get(stage)
        late = " (not read)" if stage in hit.trace.unread else ""
        told = (str(place.rank), f"{place.score:.4f}{late}") if place else ("-", "-")
        rows.append([stage, *told])
    screen.table(rows, indent=indent, numbers=1)
    if hit.trace.matches:
        given = "  ".join(f"{match.term} {match.score:.2f}" for match in hit.trace.matches)
        screen.write(("terms    ", FAINT), given, indent=indent)
    for model, n_tokens in hit.trace.truncated.items():
        screen.write(
            ("cut off  ", FAINT), f"{model} does not read {n_tokens} tokens", indent=indent
        )


def show_footer(screen: Screen, answer: Answer, stages: Stages) -> None:
    """What ran and why, what the reader should know, and how long each stage took."""
    screen.write((what_ran(answer, stages), FAINT))
    screen.write((times(answer), FAINT))


def what_ran(answer: Answer, stages: Stages) -> str:
    """The pipeline and why it is this one, or the stage that was asked for; then all notes."""
    ran = stages.pipeline.why[:1].upper() + stages.pipeline.why[1:]
    if stages.pipeline.encoders and answer.stage not in ("fused", "reranked", CASCADED):
        ran = f"Stage {answer.stage} alone, as asked."
    elif answer.stage not in (stages.default, CASCADED):
        ran = f"{ran} Up to stage {answer.stage}, as asked."
    if answer.stage in ("reranked", CASCADED):
        told = [_reranking(lazy.get(), options) for _, lazy, options in stages.rerankers]
        ran = " ".join((ran, *told))
    return " ".join((ran, *answer.notes))


def _reranking(scorer: PairScorer, options: RerankOptions) -> str:
    reads = getattr(scorer, "template", "")
    if getattr(scorer, "window", "head") == "focus":
        reads += ", the sentences first that share most with the query"
    mixed = (
        ""
        if options.interpolation is None
        else (
            f", {'its raw scores ' if options.scale == 'raw' else ''}"
            f"mixed with {options.interpolation:.3g} of the first stage"
        )
    )
    return (
        f"The first {options.depth} reranked by {scorer.name}{mixed}; it reads "
        f"{reads + ', ' if reads else ''}{scorer.max_tokens} tokens."
    )


def times(answer: Answer) -> str:
    """The milliseconds of each stage, how far rerankers read, and what became of a budget."""
    taken = (
        f"{stage} {time_ms:,.1f} ms{_read(answer, stage)}"
        for stage, time_ms in answer.times_ms.items()
    )
    return ". ".join(filter(None, (" · ".join(taken), answer.budget_words)))


def _read(answer: Answer, stage: str) -> str:
    one = answer.read.get(stage)
    if one is None or not one.is_partial:
        return ""
    late = "the next would not have been in time"
    why = "no other can be among these" if one.end == "settled" else late
    return f" ({one.n_read:,} of {one.n_head:,} read, {why})"


def identity(doc: Doc) -> str:
    """Year, venue and id of a document, as far as it has them."""
    venue = next((doc.meta[name] for name in _VENUES if doc.meta.get(name)), None)
    known = [doc.meta.get("year"), venue, doc.id]
    return " · ".join(str(part) for part in known if part is not None)


def marked(passage: Passage, style: str = "") -> list[Piece]:
    """The passage as pieces, its marks set off."""
    pieces: list[Piece] = []
    end = 0
    for found in passage.marks:
        pieces.append((passage.text[end : found.start], style))
        pieces.append((passage.text[found.start : found.stop], MATCH))
        end = found.stop
    return [*pieces, (passage.text[end:], style)]


def _room(screen: Screen, margin: int) -> int:
    if not screen.is_terminal:
        return _PLAIN_CHARACTERS
    return max(80, int(_FILLED * _LINES * (screen.width - margin)))
