"""arxiv_daily -> a corpus of any size with real sentences: for speed, never for quality.

A document is a real title and as many real sentences as a real abstract has, each drawn at
random, so that term frequencies and lengths are those of real text while the size is free
(`text_laws.py` says how far that holds). `corpus_of` makes these and the first real documents.

    python benchmarks/recombine.py --n-docs 200000 --out /somewhere/recombined.jsonl
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

SOURCE = Path(__file__).parents[1] / ".." / "shared" / "data" / "arxiv_daily" / "corpus.jsonl.gz"
BOUNDARY = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def drawn(n_docs: int, *, part: float = 1.0, seed: int = 1) -> Iterator[dict[str, str]]:
    """Rows of recombined documents, of which each has a part of an abstract's sentences."""
    with gzip.open(SOURCE, "rt", encoding="utf-8") as lines:
        papers = [json.loads(line) for line in lines]
    titles = [paper["title"] for paper in papers]
    abstracts = [BOUNDARY.split(paper["text"]) for paper in papers]
    sentences = [sentence for abstract in abstracts for sentence in abstract]
    sizes = [math.ceil(part * len(abstract)) for abstract in abstracts]
    draw = random.Random(seed)
    for n in range(n_docs):
        text = " ".join(draw.choices(sentences, k=draw.choice(sizes)))
        yield {"_id": f"r{n:08d}", "title": draw.choice(titles), "text": text}


def recombine(n_docs: int, out: Path) -> None:
    with out.open("w", encoding="utf-8") as file:
        for row in drawn(n_docs):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def first_docs(n_docs: int, out: Path) -> None:
    """The first real papers, as they are."""
    with gzip.open(SOURCE, "rb") as lines, out.open("wb") as file:
        file.writelines(islice(lines, n_docs))


TEXTS: dict[str, Callable[[int, Path], None]] = {
    "recombined": recombine,
    "arxiv_daily": first_docs,
}


def corpus_of(text: str, n_docs: int, work: Path) -> Path:
    """The file of a corpus, made in the folder where it is not there yet."""
    path = work / f"{text}-{n_docs}.jsonl"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        TEXTS[text](n_docs, draft)
        draft.rename(path)
    return path


def queries(n: int, *, n_terms: tuple[int, int], seed: int = 2) -> list[str]:
    """Runs of words cut from real sentences, `n_terms` (least, most) words long."""
    with gzip.open(SOURCE, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    draw, found = random.Random(seed), []
    while len(found) < n:
        words = draw.choice(texts).split()
        size = draw.randint(*n_terms)
        if len(words) > size:
            start = draw.randrange(len(words) - size)
            found.append(" ".join(words[start : start + size]))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-docs", type=int, default=200_000)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    recombine(given.n_docs, given.out)
