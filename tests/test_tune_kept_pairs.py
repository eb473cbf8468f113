import numpy as np
import pytest

from searchkit.models.fakes import OverlapScorer
from searchkit.tune import kept_pairs
from searchkit.tune.kept_pairs import kept

PASSAGES = ["dust", "light and dust", "bone", "dust"]


def files(home):
    return sorted((home / "pair_scores").glob("*.bin"))


def test_scores_are_those_of_the_model_and_none_is_asked_for_twice(home):
    scorer = OverlapScorer()
    wanted = scorer.score("dust light", PASSAGES)
    with kept(scorer) as first:
        assert np.array_equal(first.score("dust light", PASSAGES[:2]), wanted[:2])
        assert np.array_equal(first.score("dust light", PASSAGES), wanted)
        assert (first.n_scored, first.n_kept) == (3, 0)
    with kept(scorer) as again:
        assert np.array_equal(again.score("dust light", PASSAGES), wanted)
        assert (again.n_scored, again.n_kept) == (0, 3)
        assert again.score("bone", PASSAGES).tolist() == [0, 0, 1, 0]  # another query
        assert again.n_scored == 3
    with kept(OverlapScorer(max_tokens=3)) as other:  # another model
        assert other.n_kept == 0
    assert len(files(home)) == 2


def test_half_a_record_is_cut_off(home):
    with kept(OverlapScorer()) as first:
        first.score("dust", PASSAGES)
    [file] = files(home)
    file.write_bytes(file.read_bytes()[:-7])
    with kept(OverlapScorer()) as again:
        assert again.n_kept == 2
        again.score("dust", PASSAGES)
    with kept(OverlapScorer()) as third:
        assert third.n_kept == 3
        assert third.score("dust", PASSAGES).tolist() == [1, 1, 0, 1]


def test_two_runs_at_once_do_not_write_into_one_file(home):
    with kept(OverlapScorer()) as one, kept(OverlapScorer()) as two:
        assert two.score("dust", PASSAGES).tolist() == one.score("dust", PASSAGES).tolist()
    with kept(OverlapScorer()) as again:
        assert again.n_kept == 3


def test_a_home_that_cannot_be_written_costs_nothing_but_time(home):
    (home / "pair_scores").write_text("a file")
    with kept(OverlapScorer()) as found:
        assert found.score("dust", PASSAGES).tolist() == [1, 1, 0, 1]


def test_what_is_remembered_is_bounded(home, monkeypatch):
    for n in range(12):
        with kept(OverlapScorer(max_tokens=10 + n)) as found:
            found.score("dust", PASSAGES)
    assert len(files(home)) == kept_pairs.MAX_FILES
    monkeypatch.setattr(kept_pairs, "MAX_BYTES", 40)
    with kept(OverlapScorer(max_tokens=21)) as found:
        assert found.n_kept == 0


@pytest.mark.parametrize("texts", [("ab", "c"), ("a", "bc")])
def test_where_a_query_ends_is_part_of_a_pair(texts):
    with kept(OverlapScorer()) as found:
        found.score(*("ab", ["c"]))
        found.score(texts[0], [texts[1]])
        assert found.n_scored == (1 if texts[0] == "ab" else 2)
