"""Results of the benchmarks of speed and memory -> tables."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_tables import Line, table, titled


def text_laws(lines: Sequence[Line]) -> str:
    """Zipf's and Heaps' laws in recombined and in real text."""
    last = lines[-1]
    head = ["text", "documents", "words", "distinct", "Zipf: f ~ rank^a", "Heaps: V ~ n^b"]
    cells = [[*head, "b over the last tenfold"]]
    for row in last["corpora"]:
        numbers = [f"{row[key]:,}" for key in ("n_docs", "n_words", "n_distinct")]
        found = [exponent(row[law]) for law in ("zipf", "heaps", "heaps, last tenfold")]
        cells.append([row["text"], *numbers, *found])
    title = "The words of the texts that lexical search is timed on"
    return titled(title, "text_laws", last, table(cells))


def build_lexical(lines: Sequence[Line]) -> str:
    """One table a text: what every peer needs at every size, and how that grows."""
    return "\n".join(build_of_text(line) for line in latest_by_text(lines))


ROUNDS = {1: ", one round"}


def build_of_text(line: Line) -> str:
    sizes = line["sizes"]
    heads = [f"{size['n_docs']:,} documents{ROUNDS.get(size['rounds'], '')}" for size in sizes]
    time = "processor_s" if line["threads"] == 1 else "wall_s"
    unit = "seconds" if line["threads"] == 1 else "seconds on the clock"
    cells = [[f"{unit} / peak MB / MB on disk", *heads, "time ~ n^a"]]
    for peer in sizes[0]["medians"]:
        found = [built(size["medians"].get(peer, {}), time) for size in sizes]
        cells.append([peer, *found, exponent(line["growth"].get(peer))])
    title = f"Lexical index of {line['text']} abstracts, {cores(line)}"
    return titled(title, "build_lexical", line, table(cells))


def built(found: Line, time: str) -> str:
    if not found:
        return ""
    return f"{found[time]:,.1f} / {found['peak_mb']:,.0f} / {found['disk_mb']:,.0f}"


def search_lexical(lines: Sequence[Line]) -> str:
    """One table a text: BM25 queries a second by size and length of the queries."""
    return "\n".join(search_of_text(line) for line in latest_by_text(lines))


THEIRS = "bm25s numba"  # the fastest of the peers


def search_of_text(line: Line) -> str:
    peers = list(line["sizes"][0]["peak_mb"])
    rows = []
    for size in line["sizes"]:
        for length, rates in size["queries_per_s"].items():
            found = [f"{rates[peer]:,.0f}" if peer in rates else "" for peer in peers]
            ratio = f"{rates['searchkit'] / rates[THEIRS]:.2f}" if THEIRS in rates else ""
            rows.append([f"{size['n_docs']:,}, {length} words", *found, ratio])
    for size in line["sizes"]:
        held = [
            f"{size['peak_mb'][peer]:,} MB" if peer in size["peak_mb"] else "" for peer in peers
        ]
        rows.append([f"{size['n_docs']:,}, peak memory", *held, ""])
    for length, laws in line["growth"].items():
        found = [exponent(laws.get(peer)) for peer in peers]
        rows.append([f"time ~ n^a, {length} words", *found, ""])
    head = ["documents, query", *peers, "ours to bm25s numba"]
    title = (
        f"BM25 queries a second, top 100 of {line['text']} abstracts, text to documents, "
        f"{cores(line)}"
    )
    return titled(title, "search_lexical", line, table([head, *rows]))


def latest_by_text(lines: Sequence[Line]) -> list[Line]:
    """The last line of each text and number of cores; older lines than the sizes had none."""
    return list(
        {(line["text"], line["threads"]): line for line in lines if "sizes" in line}.values()
    )


def cores(line: Line) -> str:
    return "one core" if line["threads"] == 1 else f"{line['threads']} cores"


def exponent(law: Line | None) -> str:
    return f"{law['exponent']:.2f} ± {law['standard_error']:.2f}" if law else ""


def latency(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["one warm search", "median ms", "p95 ms", "processor, median ms", "nDCG@10"]]
    for name, ms in last["ms"].items():
        quality_of = last["ndcg_at_10"].get(name.removesuffix(" total"))
        shown = [f"{ms['median']:.1f}", f"{ms['p95']:.1f}"]
        shown.append(f"{ms['processor']:.1f}" if "processor" in ms else "")
        cells.append([name, *shown, f"{quality_of:.4f}" if quality_of else ""])
    title = f"Time of a search in {last['n_docs']:,} abstracts, {last['collection']}"
    return titled(title, "latency", last, table(cells))


RANDOM_HEADS = ("MiniLM-L6",)  # their scores are compared, their rankings mean nothing


def rerank_peers(lines: Sequence[Line]) -> str:
    last = lines[-1]
    head = ["ms for 100 candidates", "model", "tokens a pair", "processor", "on the clock"]
    cells = [[*head, "ours to theirs", "largest gap of a score", "nDCG@10"]]
    for model, found in last["models"].items():
        ours = found["median_ms"]["searchkit"]["processor"]
        for peer, ms in found["median_ms"].items():
            times = [
                f"{ms['processor']:,.0f}",
                f"{ms['wall']:,.0f}",
                f"{ours / ms['processor']:.2f}",
            ]
            value = "" if model in RANDOM_HEADS else f"{found['ndcg_at_10'][peer]:.4f}"
            same = [f"{found['largest_gap'][peer]:.1g}", value]
            cells.append([peer, model, f"{found['tokens_per_pair']:.0f}", *times, *same])
    title = "Reranking 100 candidates, the same weights and texts, one thread"
    return titled(title, "rerank_peers", last, table(cells))


def encode(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["", "abstracts a second of the processor", "on the clock"]]
    for peer, rate in last["docs_per_processor_s"].items():
        cells.append([peer, f"{rate:.1f}", f"{last['docs_per_s'][peer]:.1f}"])
    title = (
        f"Encoding with {last['encoder']}, {last['tokens_per_doc']:.0f} tokens an abstract, "
        f"{last['threads']} thread{'s' * (last['threads'] > 1)}; float32 vectors differ by at "
        f"most {last['largest_difference']:.0e}"
    )
    return titled(title, "encode", last, table(cells))


def ann(lines: Sequence[Line]) -> str:
    last = lines[-1]
    depths = [key for key in last if key.startswith("k=")]
    head = ["", *(f"{depth}: recall / queries a second / batched" for depth in depths)]
    cells = [[*head, "build s", "memory MB"]]
    for kind in last[depths[0]]["one by one"]:
        ways = [[last[depth][way][kind] for way in ("one by one", "batched")] for depth in depths]
        rates = [
            f"{one['recall']:.4f} / {one['queries_per_s']:,.0f} / {many['queries_per_s']:,.0f}"
            for one, many in ways
        ]
        build_s = last["built"].get(kind, {}).get("build_processor_s", 0.0)
        cells.append([kind, *rates, f"{build_s:.1f}", f"{last['memory_mb'][kind]:,.0f}"])
    title = (
        f"Indexes of {last['n_vectors']:,} vectors of {last['dim']} numbers "
        f"({', '.join(last['index'])}), {last['threads']} thread{'s' * (last['threads'] > 1)}"
    )
    return titled(title, "ann", last, table(cells))
