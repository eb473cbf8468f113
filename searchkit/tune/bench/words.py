"""A bench -> sentences that a person would say of it."""

from __future__ import annotations

from math import inf

from searchkit.evaluate.compare import Comparison
from searchkit.evaluate.plot_style import short, signed, spell_ms
from searchkit.evaluate.sizes import count, spell_bytes
from searchkit.tune.bench.quality import NDCG, SHOWN
from searchkit.tune.bench.result import Bench, StageResult

ALPHA = 0.05
_FEW = 50  # queries below which a mean says little
_FEW_TIMES = 100  # searches below which the 99th percentile is the slowest of them
KNOWN_ITEMS = (
    "These are no judgements of relevance: each query is the title or a sentence of one document, "
    "which was removed from it, and that document alone counts as right. The figures say how well "
    "a known paper is found again, not how well a topic is searched."
)


def verdict(bench: Bench) -> str:
    """What to make of it, in two or three sentences."""
    last, n = bench.stage(bench.focus), count_queries(bench.asked["queries"])
    if not bench.against:
        return (
            f"BM25 alone reaches {NDCG} {short(last.values[NDCG])} over {n}, in "
            f"{spell_ms(last.latency_ms['p50'])} a search. There is no other stage to compare."
        )
    before = bench.stage(bench.against)
    return " ".join([_gain(bench, last, before), _price(last, before), *_better(bench)])


def caveats(bench: Bench) -> list[str]:
    """What a reader has to know before believing a figure."""
    return [*_of_queries(bench), *_of_judgements(bench), *_of_times(bench)]


def significance(p: float | None) -> str:
    """P as it stands in a table."""
    if p is None:
        return ""
    return short(p) if p >= 0.001 else "<.001"


def rough_bytes(n_bytes: int) -> str:
    """A size of two or three digits, as a wide table has room for; "" for none."""
    number, _, unit = spell_bytes(n_bytes).partition(" ")
    if "." in number and float(number.replace(",", "")) >= 10:
        number = f"{float(number.replace(',', '')):,.0f}"
    return f"{number} {unit}" if n_bytes else ""


def count_queries(n: int) -> str:
    return "1 query" if n == 1 else f"{n:,} queries"


def _gain(bench: Bench, last: StageResult, before: StageResult) -> str:
    found, p = bench.comparison()
    n = count_queries(found.n_queries)
    change = (
        f"{NDCG} goes from {short(before.values[NDCG])} ({before.name}) to "
        f"{short(last.values[NDCG])} ({last.name}), {signed(found.difference)} "
        f"[{signed(found.low)}, {signed(found.high)}] over {n}, {_p(bench, p)}"
    )
    verb = "Reranking" if last.name.startswith("reranked") else "Fusing"
    if p < ALPHA:
        return f"{verb} {'helps' if found.difference > 0 else 'hurts'} here: {change}."
    if not found.n_better and not found.n_worse:
        return f"{verb} changes nothing here: {NDCG} stays {short(last.values[NDCG])} over {n}."
    seen = f"; {_power(found)}" if 0 < found.detectable < inf else ""
    return f"Nobody can say that {verb.lower()} helps here: {change}{seen}."


def _power(found: Comparison) -> str:
    return (
        f"one comparison at {short(ALPHA, 2)} would mostly have seen a true difference of "
        f"{short(found.detectable)}"
    )


def _p(bench: Bench, p: float) -> str:
    """P and which one it is; of one comparison alone Holm's is the plain one."""
    n = sum(one.against is not None for one in bench.stages)
    corrected = f" after Holm's correction for {n} comparisons" if n > 1 else ""
    return f"p {significance(p)}{corrected}"


def _better(bench: Bench) -> list[str]:
    """Other stages that beat the baseline, which a reader would not expect."""
    return [
        f"{one.name} is better than {bench.baseline}: {NDCG} {short(one.values[NDCG])}, "
        f"{signed(one.against.difference)}, {_p(bench, one.p_holm)}."
        for one in bench.stages
        if one.name != bench.focus and one.against is not None and one.p_holm is not None
        if one.against.difference > 0 and one.p_holm < ALPHA
    ]


def _price(last: StageResult, before: StageResult) -> str:
    return (
        f"A search takes {spell_ms(last.latency_ms['p50'])} instead of "
        f"{spell_ms(before.latency_ms['p50'])}."
    )


def _of_queries(bench: Bench) -> list[str]:
    asked = bench.asked
    n = asked["queries"]
    lines = _of_known_items(bench) if asked["kind"] == "known items" else _of_sample(bench)
    compared = [one.against for one in bench.stages if one.against is not None]
    sizes = sorted(one.detectable for one in compared if one.detectable > 0)
    if sizes:  # without any spread there is nothing to reckon from
        lines.append(_detectable(n, sizes))
    if n < _FEW:
        few = "1 query is" if n == 1 else f"{n} queries are"
        lines.append(f"{few} few: a handful of others could turn the order round.")
    return lines


def _of_known_items(bench: Bench) -> list[str]:
    asked, lines = bench.asked, [KNOWN_ITEMS]
    if asked["queries"] < asked["wanted"]:
        lines.append(
            f"{asked['wanted']:,} queries were wanted; the documents give {asked['queries']:,}, "
            "since each asks once, and not every one can."
        )
    whole, small = bench.index["documents"], bench.index["measured_documents"]
    if small < whole:
        lines.append(
            f"They were asked among {small:,} of the {whole:,} documents: times, memory and "
            "sizes are those of this smaller index, and finding is easier in it."
        )
    return lines


def _of_sample(bench: Bench) -> list[str]:
    asked, lines = bench.asked, []
    if asked["queries"] < asked["judged_queries"]:
        lines.append(
            f"{count_queries(asked['queries'])} of the {asked['judged_queries']:,} judged ones, "
            f"drawn by chance (seed {bench.about['seed']})."
        )
    if asked["without_judgement"]:
        lines.append(
            f"{count_queries(asked['without_judgement'])} without a judgement did not take part."
        )
    if asked["without_text"]:
        lines.append(
            f"{count_queries(asked['without_text'])} of the judgements have no text, so they "
            "were not asked."
        )
    return lines


def _detectable(n: int, sizes: list[float]) -> str:
    """How small a difference could have been seen, in the comparison that sees most and least."""
    if sizes[-1] == inf:
        return f"With {count_queries(n)} no difference can be told from chance, however large."
    low, high = short(sizes[0]), short(sizes[-1])
    spread = f"{low} to {high}, depending on the stage," if low != high else low
    return (
        f"With {count_queries(n)} one comparison at {short(ALPHA, 2)} would see a true difference "
        f"in {NDCG} of {spread} four times in five; a smaller one may be there and not show, and "
        "where several are corrected for (Holm) it takes a larger one."
    )


def _of_judgements(bench: Bench) -> list[str]:
    lines = []
    shares = sorted(one.unjudged_at_10 for one in bench.stages)
    low, high = f"{shares[0]:.0%}", f"{shares[-1]:.0%}"
    if high != "0%" and bench.asked["kind"] != "known items":
        spread = f"{low} to {high}" if low != high else low
        lines.append(
            f"{spread} of the first {SHOWN} documents were judged by nobody and count as not "
            "relevant: a stage that finds what the judges never saw looks worse than it is."
        )
    n_absent = bench.asked["absent_documents"]
    if n_absent:
        are, them = ("is", "it") if n_absent == 1 else ("are", "them")
        lines.append(
            f"{count(n_absent, 'relevant document')} of the judgements {are} not in the index: "
            f"nothing can find {them}."
        )
    short_ones = [one for one in bench.stages if one.depth < 100]
    lines += [
        f"{one.name} keeps its first {count(one.depth, 'document')}, so its R@100 counts no other."
        for one in short_ones
    ]
    return lines


def _asked_once(n: int) -> str:
    return (
        "1 query, asked once" if n == 1 else f"{n:,} queries with distinct texts, each asked once"
    )


def _of_times(bench: Bench) -> list[str]:
    n, about = bench.asked["timed"], bench.about
    lines = [
        f"Warm times: {_asked_once(n)} in every stage, one "
        "at a time, after other texts had warmed it; no result and no score was kept. Cold is one "
        "search in a fresh process, from its start to the hits, with files as the system held "
        f"them. Batches hold {about['batch']} queries."
    ]
    if n < _FEW_TIMES:
        lines.append(f"The 99th percentile of so few times ({n}) is nearly the slowest of them.")
    busy, cores = about["load_before"], about["machine"]["cores"]
    if busy > cores / 2:
        lines.append(
            f"The machine was not idle: {busy:.1f} processes wanted its {cores} cores in the "
            "minute before. Take the times as upper bounds."
        )
    if about["device"] == "cuda":
        lines.append("Memory is that of the host; what lies on the GPU is not in it.")
    lines.append("Index sizes leave out the models; their weights stand in a column of their own.")
    return lines
