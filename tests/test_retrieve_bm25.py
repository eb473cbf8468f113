import math
from pathlib import Path
from tempfile import TemporaryDirectory

import bm25s
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.errors import ConfigError
from searchkit.index.invert import PostingsBuilder, cut_batch
from searchkit.index.postings import open_postings
from searchkit.index.tombstones import count_tombstones
from searchkit.retrieve.bm25 import BM25Retriever, LexicalPart
from searchkit.retrieve.bm25_formula import BM25Params

PLAIN = TextAnalyzer.named("plain")
WORDS = [f"w{letter}" for letter in "abcdefghijkl"]
VARIANTS = ["lucene", "okapi", "l", "plus"]
words = st.lists(st.sampled_from(WORDS), max_size=12)
corpora = st.lists(st.tuples(words, words), min_size=1, max_size=25)
queries = st.lists(st.sampled_from([*WORDS, "unseen"]), max_size=7)


def strings(texts):
    return pa.array(texts, type=pa.large_string())


def postings_of(docs, folder: Path, batch=7):
    builder = PostingsBuilder(PLAIN)
    folder.mkdir(parents=True)
    for start in range(0, len(docs), batch):
        titles, texts = zip(*docs[start : start + batch], strict=True)
        builder.add(cut_batch(strings(titles), strings(texts)))
    builder.finish(folder)
    return open_postings(folder)


def retriever(docs, folder, *, cut=None, engine="numpy", **params):
    joined = [(" ".join(title), " ".join(text)) for title, text in docs]
    pieces = [(0, joined)] if cut is None else [(0, joined[:cut]), (cut, joined[cut:])]
    parts = [
        LexicalPart(base, postings_of(piece, folder / f"{base}-{cut}"))
        for base, piece in pieces
        if piece
    ]
    return BM25Retriever(parts, analyzer=PLAIN, params=BM25Params(**params), engine=engine)


def by_the_formula(docs, query, params):
    """Every matched document's score from the published formulas, the slow way."""
    n, bags = len(docs), [(list(title), list(text)) for title, text in docs]
    wt, wx = params.title_weight, params.text_weight
    mean = (wt * sum(len(t) for t, _ in bags) + wx * sum(len(x) for _, x in bags)) / n or 1.0
    dfs = {w: sum(w in t + x for t, x in bags) for w in {w for t, x in bags for w in t + x}}
    k1, b = params.k1, params.b
    okapi = [math.log(n - df + 0.5) - math.log(df + 0.5) for df in dfs.values()]
    scores = {}
    for row, (title, text) in enumerate(bags):
        total, matched = 0.0, False
        for word in dict.fromkeys(query):
            tf = wt * title.count(word) + wx * text.count(word)
            if tf == 0:
                continue
            matched, df = True, dfs[word]
            norm = 1.0 - b + b * (wt * len(title) + wx * len(text)) / mean
            if params.variant == "lucene":
                idf, share = math.log(1 + (n - df + 0.5) / (df + 0.5)), tf / (tf + k1 * norm)
            elif params.variant == "okapi":
                idf = math.log(n - df + 0.5) - math.log(df + 0.5)
                idf = 0.25 * math.fsum(okapi) / len(okapi) if idf < 0 else idf
                share = (k1 + 1) * (tf / (tf + k1 * norm))
            elif params.variant == "plus":
                idf, share = math.log((n + 1) / df), 1.0 + (k1 + 1) * (tf / (tf + k1 * norm))
            else:
                idf, q = math.log((n + 1) / (df + 0.5)), (k1 + 0.5) * norm
                share = (k1 + 1) * ((tf + 0.5 / (k1 + 0.5) * q) / (tf + q))
            total += query.count(word) * idf * share
        if matched:
            scores[row] = np.float32(total)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


@settings(deadline=None, max_examples=60)
@given(
    corpora,
    st.lists(queries, min_size=1, max_size=4),
    st.sampled_from(VARIANTS),
    st.sampled_from([(1.2, 0.75), (0.9, 0.4), (0.0, 0.0), (2.0, 1.0)]),
    st.sampled_from([(1.0, 1.0), (2.5, 1.0), (0.0, 1.0), (1.0, 0.0)]),
    st.integers(1, 24),
)
def test_both_engines_and_any_segmentation_equal_the_formula_bit_for_bit(  # noqa: PLR0917
    docs, asked, variant, k1_b, weights, cut
):
    params = BM25Params(
        variant=variant, k1=k1_b[0], b=k1_b[1], title_weight=weights[0], text_weight=weights[1]
    )
    settings_ = {"variant": variant, "k1": k1_b[0], "b": k1_b[1]}
    settings_ |= {"title_weight": weights[0], "text_weight": weights[1]}
    expected = [by_the_formula(docs, query, params)[:10] for query in asked]
    with TemporaryDirectory() as folder:
        for engine in ("numpy", "kernel"):
            for at in (None, cut):
                place = Path(folder) / f"{engine}-{at}"
                found = retriever(docs, place, cut=at, engine=engine, **settings_)
                rankings = found.retrieve([" ".join(query) for query in asked], 10)
                assert [list(r) for r in rankings] == expected


@settings(deadline=None, max_examples=25)
@given(corpora, queries)
def test_scores_of_given_rows_equal_those_of_a_search(docs, query):
    with TemporaryDirectory() as folder:
        found = retriever(docs, Path(folder), cut=3)
        ranking = found.retrieve([" ".join(query)], 100)[0]
        assert found.score_rows(" ".join(query), ranking.rows).tolist() == ranking.scores.tolist()
        for matches, score in zip(
            found.matches(" ".join(query), ranking.rows), ranking.scores, strict=True
        ):
            assert sum(match.score for match in matches) == pytest.approx(score, rel=1e-6)
            assert {match.term for match in matches} <= set(query)


@settings(deadline=None, max_examples=25)
@given(corpora, st.lists(st.booleans(), min_size=25, max_size=25), queries)
def test_a_mask_removes_rows_and_changes_no_score(docs, allowed, query):
    mask = np.array(allowed[: len(docs)])
    with TemporaryDirectory() as folder:
        for engine in ("numpy", "kernel"):
            found = retriever(docs, Path(folder) / engine, cut=5, engine=engine)
            whole = found.retrieve([" ".join(query)], 100)[0]
            kept = found.retrieve([" ".join(query)], 100, mask)[0]
            assert list(kept) == [(row, score) for row, score in whole if mask[row]]


def zipfian(n_docs, n_words, seed):
    draw = np.random.default_rng(seed)
    return [
        [f"t{min(int(z), n_words)}" for z in draw.zipf(1.3, draw.integers(5, 60))]
        for _ in range(n_docs)
    ]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    docs = zipfian(30_000, 2_000, seed=3)
    folder = tmp_path_factory.mktemp("large")
    return docs, [([], doc) for doc in docs], folder


def masks(n_docs, draw):
    """Masks that let through all, many, few and no rows, and rows of one stretch."""
    chance, rows = draw.random(n_docs), np.arange(n_docs)
    stretch = (rows > 0.4 * n_docs) & (rows < 0.45 * n_docs)
    return [None, *(chance < share for share in (0.5, 0.2, 0.02, 0.0005, 0)), stretch]


def test_pruning_changes_no_bit(large):
    docs, fielded, folder = large
    draw = np.random.default_rng(4)
    asked = [" ".join(draw.choice(docs[i], 6)) for i in draw.integers(0, len(docs), 60)]
    asked += [f"t{i} t1 t2 t3" for i in (1, 5, 700, 1500)]
    slow = retriever(fielded, folder / "a", engine="numpy")
    fast = retriever(fielded, folder / "b", cut=11_000, engine="kernel")
    for mask in masks(len(docs), draw):
        for k in (1, 10, 100):
            assert fast.retrieve(asked, k, mask) == slow.retrieve(asked, k, mask)


def in_the_sample(row):
    """Whether the kernel asks a row first, of 20,000: 1,024 of every 16,384."""
    return row % 16_384 < 1_024


@pytest.mark.parametrize("best", [in_the_sample, lambda row: not in_the_sample(row)])
@pytest.mark.parametrize("k", [1, 3, 30, 300, 15_000])
def test_an_order_that_misleads_the_first_guess_changes_no_bit(best, k, tmp_path):
    """All good documents where the kernel looks first, so that it bets too high, or none there."""
    draw = np.random.default_rng(6)
    docs = [
        ([], ["rare"] * (1 + row % 3) * (best(row) and row % 7 == 0) + ["common"] * (row % 2) + pad)
        for row, pad in enumerate([["w"] * n for n in draw.integers(1, 40, 20_000)])
    ]
    slow, fast = (
        retriever(docs, tmp_path / engine, cut=9_000, engine=engine)
        for engine in ("numpy", "kernel")
    )
    asked = ["rare", "common rare", "w common", "rare w common"]
    assert fast.retrieve(asked, k) == slow.retrieve(asked, k)
    mask = draw.random(len(docs)) < 0.3
    assert fast.retrieve(asked, k, mask) == slow.retrieve(asked, k, mask)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, 1.0), (0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("longest", [60, 9_000])
def test_common_terms_of_any_count_are_looked_up_exactly(weights, longest, tmp_path):
    """Counts around those that a grid tells apart, in documents whose lengths have codes or not."""
    draw = np.random.default_rng(8)
    docs = [
        (
            ["a"] * int(draw.integers(0, 3)) + ["head"] * (draw.random() < 0.02),
            ["a"] * int(draw.choice([0, 1, 13, 14, 15, 16, 300]))
            + ["b"] * int(draw.choice([0, 0, 1, 15, 16]))
            + [f"t{int(draw.zipf(1.5)) % 900}"] * int(draw.integers(0, 3))
            + ["w"] * int(draw.integers(1, longest)),
        )
        for _ in range(3_000)
    ]
    fields = {"title_weight": weights[0], "text_weight": weights[1]}
    slow, fast = (
        retriever(docs, tmp_path / engine, engine=engine, **fields)
        for engine in ("numpy", "kernel")
    )
    asked = [f"t{n} a b w" for n in (1, 2, 3, 50, 400)] + ["a", "a b", "w b a", "t3 t5 t7 t9 a w b"]
    asked += ["head a", "head b", "head t3 w", "t3 b head a"]  # of fields that may weigh nothing
    for mask in masks(len(docs), draw):
        for k in (1, 10, 100):
            assert fast.retrieve(asked, k, mask) == slow.retrieve(asked, k, mask)


def test_a_segment_may_hold_a_term_in_deleted_documents_alone(tmp_path):
    """A bound of 0 there, and a rare term that gives less than any common one."""
    draw = np.random.default_rng(9)
    docs = [
        ([], ["rare"] * (row % 20 == 3) + [w for w in "abc" if draw.random() < 0.4] + ["pad"])
        for row in range(3_000)
    ]
    gone = np.arange(3, 2_000, 20)
    parts = []
    for base, stop in ((0, 2_000), (2_000, 3_000)):
        postings = postings_of(
            [("", " ".join(text)) for _, text in docs[base:stop]], tmp_path / str(base)
        )
        parts.append(
            LexicalPart(base, postings, None if base else count_tombstones(gone, postings))
        )
    fast, slow = (BM25Retriever(parts, analyzer=PLAIN, engine=e) for e in ("kernel", "numpy"))
    asked = ["rare a", "a rare", "rare a b", "rare c b a", "pad rare", "rare"]
    for mask in masks(len(docs), draw):
        for k in (1, 10, 3_000):
            assert fast.retrieve(asked, k, mask) == slow.retrieve(asked, k, mask)


def test_a_mask_of_other_documents_is_refused(large):
    _, fielded, folder = large
    for engine in ("kernel", "numpy"):
        found = retriever(fielded, folder / f"refused-{engine}", engine=engine)
        with pytest.raises(ValueError, match="a mask of 3 rows for 30000 documents"):
            found.retrieve(["t1"], 1, np.ones(3, np.bool_))


# what bm25s gives to a query term that the document does not hold; the papers give it nothing
ABSENT = {
    "lucene": lambda n, df: 0.0,
    "l": lambda n, df: math.log((n + 1) / (df + 0.5)) * 2.2 * 0.5 / (1.2 + 0.5),
    "plus": lambda n, df: math.log((n + 1) / df),
}


@pytest.mark.parametrize(
    ("variant", "method", "delta"),
    [("lucene", "lucene", 0.5), ("l", "bm25l", 0.5), ("plus", "bm25+", 1.0)],
)
def test_scores_equal_those_of_bm25s_apart_from_absent_terms(variant, method, delta, tmp_path):
    docs = zipfian(300, 80, seed=1)
    peer = bm25s.BM25(method=method, k1=1.2, b=0.75, delta=delta)
    peer.index(docs, show_progress=False)
    found = retriever([([], doc) for doc in docs], tmp_path, variant=variant)
    for query in (["t1", "t2"], ["t5", "t40", "t7"], ["t3", "t3", "t60"]):
        ranking = found.retrieve([" ".join(query)], 300)[0]
        given = {w: ABSENT[variant](len(docs), sum(w in doc for doc in docs)) for w in query}
        absent = [sum(given[w] for w in query if w not in docs[row]) for row in ranking.rows]
        theirs = peer.get_scores(query)[ranking.rows]
        assert theirs == pytest.approx(ranking.scores + np.array(absent), rel=1e-5)


def test_scores_equal_those_of_rank_bm25(tmp_path):
    docs = zipfian(300, 80, seed=2)
    peer = BM25Okapi(docs, k1=1.5, b=0.75)
    found = retriever([([], doc) for doc in docs], tmp_path, variant="okapi", k1=1.5)
    for query in (["t1", "t2"], ["t5", "t40", "t7"], ["t1", "t3", "t3", "t60"]):
        ranking = found.retrieve([" ".join(query)], 300)[0]
        assert peer.get_scores(query)[ranking.rows] == pytest.approx(ranking.scores, rel=1e-5)


@pytest.mark.parametrize("count", [254, 255, 256, 70_000])
def test_counts_beyond_their_width_are_exact(count, tmp_path):
    docs = [(["x"] * 300, ["wa"] * count), (["wa"], ["wa", "x"]), ([], ["y"])]
    for engine in ("numpy", "kernel"):
        for weights in ((1.0, 1.0), (2.0, 0.5)):
            place = tmp_path / f"{engine}{weights[0]}"
            settings_ = {"title_weight": weights[0], "text_weight": weights[1]}
            found = retriever(docs, place, engine=engine, **settings_)
            expected = by_the_formula(docs, ["wa", "x"], BM25Params(**settings_))
            assert list(found.retrieve(["wa x"], 10)[0]) == expected


def test_all_wrong_parameters_are_named_at_once():
    with pytest.raises(ConfigError, match=r"k1 must be .*; b must be .*; field weights"):
        BM25Params(k1=-1, b=2, title_weight=0, text_weight=0)


def test_an_empty_index_finds_nothing(tmp_path):
    found = retriever([([], [])], tmp_path)
    assert [len(r) for r in found.retrieve(["anything", ""], 5)] == [0, 0]
    assert BM25Retriever([], analyzer=PLAIN).retrieve(["a"], 3)[0].rows.tolist() == []
