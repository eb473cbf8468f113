"""Is recombined text like real text: do its words follow Zipf's and Heaps' laws alike?

Of each corpus the frequency of a word by its rank (f ~ rank ** -a, ranks 10 to 10,000, evenly
over their logarithms) and the number of distinct words by the number read (V ~ n ** b), both by
least squares over logarithms. Words are those of the analyzer `plain`: no stemming, none left out.
Recombined text draws from a finite stock of sentences, so its vocabulary must stop growing; the
exponent over the last tenfold growth says how far that has come.

    python benchmarks/text_laws.py --work build
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from growth import PowerLaw, power_law, spaced
from recombine import TEXTS, corpus_of
from report import record

from searchkit.analyze.analyzer import GrowingVocabulary, TextAnalyzer, cut

SIZES = {"arxiv_daily": 115_357, "recombined": 1_000_000}
RANKS = (10, 10_000)


def texts_of(corpus: Path) -> Iterator[str]:
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield f"{row['title']} {row['text']}"


def count(texts: Iterator[str], sizes: list[int]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """How often each word stands there, and (words read, distinct words) after `sizes` texts."""
    growing = GrowingVocabulary(TextAnalyzer.named("plain"))
    counts, seen, read, done = np.zeros(0, np.int64), [], 0, 0
    for size in sizes:
        while done < size:
            batch = list(islice(texts, min(10_000, size - done)))
            if not batch:
                return counts, seen
            _, ids = growing.add(cut(pa.array(batch, pa.large_string())))
            fresh = np.bincount(ids, minlength=len(growing.terms))
            fresh[: len(counts)] += counts
            counts, read, done = fresh, read + len(ids), done + len(batch)
        seen.append((read, int((counts > 0).sum())))
    return counts, seen


def zipf(counts: np.ndarray, ranks: tuple[int, int] = RANKS) -> PowerLaw | None:
    """Frequency ~ rank ** exponent; the law has an exponent near -1."""
    by_rank = np.sort(counts[counts > 0])[::-1]
    picked = spaced(min(ranks[1], len(by_rank)), least=ranks[0])
    return power_law(picked, by_rank[np.array(picked) - 1].tolist())


def heaps(seen: list[tuple[int, int]]) -> PowerLaw | None:
    """Distinct words ~ words read ** exponent."""
    return power_law([read for read, _ in seen], [distinct for _, distinct in seen])


def laws(corpus: Path, n_docs: int) -> dict[str, Any]:
    counts, seen = count(texts_of(corpus), spaced(n_docs, least=100, n=30))
    last = [point for point in seen if point[0] >= seen[-1][0] / 10]
    found = {"zipf": zipf(counts), "heaps": heaps(seen), "heaps, last tenfold": heaps(last)}
    return {
        "n_docs": n_docs,
        "n_words": int(counts.sum()),
        "n_distinct": int((counts > 0).sum()),
        **{name: law.to_dict() for name, law in found.items() if law},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the corpora")
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=list(SIZES))
    parser.add_argument("--sizes", type=int, nargs="+", help="default: the largest of each text")
    given = parser.parse_args()
    corpora = [
        {"text": text, **laws(corpus_of(text, n_docs, given.work), n_docs)}
        for text in given.texts
        for n_docs in given.sizes or [SIZES[text]]
    ]
    record("text_laws", {"corpora": corpora})


if __name__ == "__main__":
    main()
