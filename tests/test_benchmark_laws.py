"""The fits of the benchmarks find the laws of made-up data, and peers answer the same query."""

import json
import sys
from itertools import product
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pytest


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    yield
    for name in ("growth", "lexical_peers", "recombine", "report", "text_laws"):
        sys.modules.pop(name, None)


def test_the_growth_of_made_times_is_found_again(scripts):
    from growth import growth

    chance = np.random.default_rng(0)
    runs = {
        n: 3e-7 * n**1.25 * np.exp(chance.normal(0, 0.05, 5)) for n in (10_000, 100_000, 1_000_000)
    }
    law = growth(runs)
    assert law["n_points"] == 15
    assert 0 < law["standard_error"] < 0.02
    assert abs(law["exponent"] - 1.25) < 3 * law["standard_error"]
    assert law["factor"] == pytest.approx(3e-7, rel=0.5)


def test_an_exact_law_has_no_error(scripts):
    from growth import power_law

    law = power_law([1, 10, 100], [5, 0.5, 0.05])
    assert (law.exponent, law.factor) == pytest.approx((-1, 5))
    assert law.standard_error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("runs", [{}, {10: [1.0, 2.0]}, {10: [1.0, 1.1, 1.2]}, {10: [1], 20: [2]}])
def test_no_growth_is_told_from_too_few_sizes_or_rounds(scripts, runs):
    from growth import growth

    assert growth(runs) is None


def test_zipf_and_heaps_are_found_in_generated_text(scripts, tmp_path):
    """Words drawn with frequency ~ 1 / rank; their vocabulary grows ever more slowly."""
    from text_laws import laws

    chance = np.random.default_rng(1)
    words = np.array(["".join(letters) for letters in product(ascii_lowercase, repeat=4)][:20_000])
    shares = 1 / np.arange(1, len(words) + 1)
    drawn = chance.choice(words, (2_000, 200), p=shares / shares.sum())
    corpus = tmp_path / "corpus.jsonl"
    rows = [
        {"_id": str(n), "title": row[0], "text": " ".join(row[1:])} for n, row in enumerate(drawn)
    ]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = laws(corpus, len(rows))
    assert (found["n_words"], found["n_distinct"]) == (drawn.size, len(np.unique(drawn)))
    assert found["zipf"]["exponent"] == pytest.approx(-1, abs=0.05)
    assert found["zipf"]["r2"] > 0.99
    assert 0.3 < found["heaps, last tenfold"]["exponent"] < found["heaps"]["exponent"] < 0.8


def test_words_of_one_frequency_follow_no_zipf(scripts):
    from text_laws import zipf

    assert zipf(np.full(20_000, 7)).exponent == pytest.approx(0, abs=1e-9)


def first_row(found):
    """Of one query, in whatever form an engine answers."""
    if hasattr(found, "documents"):
        return int(found.documents[0][0])
    [best] = found
    return int(best[0][1].doc if isinstance(best[0], tuple) else best[0])


@pytest.mark.parametrize("peer", ["tantivy", "bm25s numpy", "rank-bm25"])
def test_a_peer_stems_the_query_and_finds_the_document(scripts, tmp_path, monkeypatch, peer):
    from lexical_peers import BUILD, OPEN

    monkeypatch.setattr("lexical_peers.THREADS", 1)  # else tantivy's numbers are not the rows
    rows = [
        {"_id": f"d{n}", "title": f"paper {n}", "text": "stars are in the cluster"}
        for n in range(120)
    ]
    rows[77]["text"] = "a quasar and its jet"
    corpus, out = tmp_path / "corpus.jsonl", tmp_path / "index"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    BUILD[peer](corpus, out)
    assert first_row(OPEN[peer](corpus, out)(["the Quasars"])) == 77
