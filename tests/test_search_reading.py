"""How far a reranker reads: until the first k are final, or a deadline would be missed."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ranking
from hypothesis import given
from hypothesis import strategies as st

from searchkit.rerank import RerankOptions, combine
from searchkit.search.rates import Rate, Rates
from searchkit.search.reading import Deadline, read_head
from searchkit.types import Doc

N_DOCS = 60
NOWHERE = Path("nowhere") / "rate.json"
DOCS = [Doc(str(n), "", "word " * (1 + n % 7)) for n in range(N_DOCS)]
MIXED = RerankOptions(depth=N_DOCS, interpolation=0.9, scale="raw", bound=2.0)


class Reader:
    """Scores a document by a table, counts its calls, and lets time pass on a clock of its own."""

    name, fingerprint, max_tokens = "reader", "f" * 64, 32

    def __init__(self, table, pair_ms=1.0):
        self.table, self.pair_ms, self.now, self.calls = table, pair_ms, 0.0, []

    def passage(self, query, doc):
        return f"{doc.id} {doc.text}"

    def n_tokens(self, query, passages):
        return [8] * len(passages)

    def score(self, query, passages):
        self.now += self.pair_ms * len(passages) / 1000
        self.calls.append(len(passages))
        found = [self.table[int(passage.split()[0])] for passage in passages]
        return np.array(found, np.float32)

    def clock(self):
        return self.now


tables = st.lists(
    st.sampled_from([-9.0, -1.0, 0.0, 0.5, 1.9, 2.0, 7.0]), min_size=N_DOCS, max_size=N_DOCS
)
heads = st.dictionaries(
    st.integers(0, N_DOCS - 1), st.sampled_from([0.0, 0.1, 0.2, 0.8, 1.0]), max_size=N_DOCS
).map(ranking)
weights = st.none() | st.sampled_from([0.0, 0.5, 0.9, 1.0])
options = st.builds(
    RerankOptions,
    depth=st.just(N_DOCS),
    interpolation=weights,
    scale=st.sampled_from(["raw", "min-max"]),
    bound=st.none() | st.sampled_from([0.5, 2.0]),
)


def whole(head, table, settings):
    raw = np.array([table[row] for row in head.rows.tolist()], np.float32)
    return combine(head, raw, settings).ranking


@given(heads, tables, options, st.integers(1, 25))
def test_the_first_k_are_those_of_the_whole_head(head, table, settings, k):
    reader = Reader(table)
    found = read_head("q", head, reader, DOCS, options=settings, k=k)
    assert found.ranking.head(k) == whole(head, table, settings).head(k)
    assert sum(reader.calls) == found.n_read
    assert (found.end == "settled") == (found.n_read < len(head))
    assert len(found.ranking) == (k if found.end == "settled" else len(head))


def test_what_cannot_overtake_is_not_read():
    scores = {row: 1.0 if row < 10 else 0.2 for row in range(N_DOCS)}
    reader = Reader([0.0] * N_DOCS)
    found = read_head("q", ranking(scores), reader, DOCS, options=MIXED, k=10)
    assert (found.end, found.n_read) == ("settled", 16)
    unbound = replace(MIXED, bound=None)
    assert read_head("q", ranking(scores), reader, DOCS, options=unbound, k=10).n_read == N_DOCS
    # what is wanted as a whole is read in one call
    assert read_head("q", ranking(scores), reader, DOCS, options=MIXED, k=100).n_read == N_DOCS
    assert reader.calls == [16, N_DOCS, N_DOCS]


@given(heads, tables, options, st.integers(1, 25))
def test_without_time_the_first_stage_stays_as_it_is(head, table, settings, k):
    reader = Reader(table)
    out = Deadline(at=0.0, rate=Rates().of(reader), clock=reader.clock)
    found = read_head("q", head, reader, DOCS, options=settings, k=k, deadline=out)
    assert found.ranking == head
    assert reader.calls == []
    assert found.unread is None or found.unread.tolist() == head.rows.tolist()


@given(heads, tables, options, st.tuples(st.floats(0, 90), st.floats(0.1, 9)))
def test_a_deadline_is_kept_and_what_is_unread_keeps_its_order(head, table, settings, times):
    k, (ms, pair_ms) = 10, times
    reader = Reader(table, pair_ms)
    read_head("q", head, reader, DOCS, options=settings, k=k)  # nothing of it is remembered
    rate = Rate(NOWHERE)
    rate.see(8, pair_ms * 8)  # a guess far off: a pair of 32 tokens
    begin = reader.now
    until = Deadline(at=begin + ms / 1000, rate=rate, clock=reader.clock)
    found = read_head("q", head, reader, DOCS, options=settings, k=k, deadline=until)
    assert (reader.now - begin) * 1000 <= max(ms, 2 * pair_ms) + 1e-6
    if found.end != "budget":
        assert found.ranking.head(k) == whole(head, table, settings).head(k)
        return
    assert sorted(found.ranking.rows.tolist()) == sorted(head.rows.tolist())
    unread = set(found.unread.tolist())
    assert found.unread.tolist() == head.rows[found.n_read :].tolist()
    kept = [row for row in found.ranking.rows.tolist() if row in unread]
    assert kept == found.unread.tolist()


def test_more_time_reads_more_and_enough_reads_all():
    scores = {row: 1.0 - row / 100 for row in range(N_DOCS)}
    n_read = []
    for ms in (0, 5, 20, 50, 500):
        reader = Reader([0.0] * N_DOCS)
        rate = Rate(NOWHERE)
        rate.see(20, 5.0)
        until = Deadline(at=ms / 1000, rate=rate, clock=reader.clock)
        whole_head = replace(MIXED, bound=None)
        found = read_head(
            "q", ranking(scores), reader, DOCS, options=whole_head, k=9, deadline=until
        )
        n_read.append(found.n_read)
    assert n_read == sorted(n_read)
    assert n_read[0] == 0
    assert n_read[-1] == N_DOCS
    assert 15 <= n_read[2] <= 20


def test_a_rate_is_learned_once_and_remembered(home):
    reader = Reader([0.0] * N_DOCS, pair_ms=3.0)
    scores = {row: 1.0 - row / 100 for row in range(N_DOCS)}
    for n in range(2):
        rate = Rates().of(reader)
        assert rate.is_known == bool(n)
        reader.calls.clear()
        until = Deadline(at=reader.now + 0.06, rate=rate, clock=reader.clock)
        read_head("q", ranking(scores), reader, DOCS, options=MIXED, k=10, deadline=until)
        assert (reader.calls[0] == 2) == (n == 0)
        rate.keep()
    [file] = (home / "rates").iterdir()
    assert json.loads(file.read_text())["ms_per_token"] == pytest.approx(rate.ms_per_token, rel=0.1)
    file.write_text("{")
    assert not Rates().of(reader).is_known
    other = Reader([])
    other.fingerprint = "e" * 64
    assert Rates().of(other) is not Rates().of(reader)


def test_a_rate_follows_the_machine(tmp_path):
    rate = Rate(tmp_path / "rate.json")
    assert math.isnan(rate.ms_per_token)
    for ms, _ in itertools.product([10.0, 30.0], range(20)):
        rate.see(10, ms)
    assert rate.ms_per_token == pytest.approx(3.0, rel=0.01)
