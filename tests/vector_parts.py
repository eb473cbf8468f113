"""Vector parts made up for tests, and the rule that every search of them must keep."""

import numpy as np
from hypothesis import strategies as st

from searchkit.index.vectors import VectorPart
from searchkit.retrieve.dense import DensePart
from searchkit.retrieve.exact import exact_scores
from searchkit.types import Ranking

DIM = 8


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def vectors_of(n, *, dim=DIM, seed=0, distinct=None):
    """Unit vectors; with `distinct`, only so many different ones, so that ties are common."""
    rng = np.random.default_rng(seed)
    made = unit(rng.normal(size=(distinct or n, dim)))
    return made[rng.integers(0, len(made), n)] if distinct else made


def part_of(vectors, *, counts=None, dtype="float16", base=0, ann=None):
    starts = None if counts is None else np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n_docs = len(vectors) if counts is None else len(counts)
    held = VectorPart(vectors.astype(dtype), starts, np.zeros(n_docs, np.uint32))
    return DensePart(base=base, n_docs=n_docs, vectors=held, ann=ann)


def brute_force(parts, query, k, allowed=None):
    """The rule itself: every vector of every document in float64, the best one counts."""
    scores = {}
    for part in parts:
        starts = part.vectors.starts
        for doc in range(part.n_docs):
            first, stop = (doc, doc + 1) if starts is None else starts[doc : doc + 2]
            row = part.base + doc
            if allowed is None or allowed[row]:
                scores[row] = exact_scores(
                    part.vectors.vectors, query, np.arange(first, stop)
                ).max()
    rows = np.array(list(scores), np.int64)
    return Ranking.top(rows, np.array(list(scores.values()), np.float32), k)


@st.composite
def collections(draw):
    """Parts with several vectors a document or one, many ties, and a mask or none."""
    several, parts, base = draw(st.booleans()), [], 0
    for seed in draw(st.lists(st.integers(0, 9), min_size=1, max_size=3)):
        counts = draw(st.lists(st.integers(1, 4 if several else 1), max_size=25))
        vectors = vectors_of(sum(counts), seed=seed, distinct=draw(st.sampled_from([3, 40])))
        parts.append(part_of(vectors, counts=counts if several else None, base=base))
        base += len(counts)
    mask = st.lists(st.booleans(), min_size=base, max_size=base).map(np.array)
    allowed = draw(st.none() | mask.map(lambda values: values.astype(bool)))
    return parts, allowed
