import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.errors import ConfigError, DamagedIndex
from searchkit.evaluate.compare import compare
from searchkit.tune.attempts import Attempt, n_others, qrels_hash, read_attempts, record
from searchkit.tune.folds import cross_validate
from searchkit.tune.gate import judge


def values(differences, base=0.4):
    without = {f"q{n:04d}": base for n in range(len(differences))}
    with_ = {query: base + d for query, d in zip(without, differences, strict=True)}
    return with_, without


def noisy(mean, n=200, seed=0, spread=0.1):
    return np.random.default_rng(seed).normal(mean, spread, n)


def test_a_gain_that_is_no_chance_passes():
    verdict = judge(*values(noisy(0.05)))
    assert verdict.passed
    assert (verdict.n_attempts, verdict.threshold) == (1, 0.05)
    assert verdict.overall == compare(*(list(v.values()) for v in values(noisy(0.05))))
    assert "nDCG@10 +0.0" in verdict.why
    assert "200 queries" in verdict.why


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        (noisy(0.0), "may be chance"),
        (noisy(-0.05), "not better"),
        (np.zeros(30), "no query ranks better or worse"),
        ([0.5, 0.4, 0.3, 0.3] + [0.0] * 50, "only 4 queries differ, too few"),
        ([0.5] + [0.0] * 50, "only 1 query differs"),
    ],
)
def test_what_is_not_better_is_refused_with_the_reason(differences, said):
    verdict = judge(*values(differences))
    assert not verdict.passed
    assert said in verdict.why
    assert verdict.why.count(".\n") == 0
    assert verdict.why.endswith(".")


def test_every_attempt_before_lowers_the_threshold():
    # p lies between .05 / 3 and .05 / 2
    differences = noisy(0.0143)
    assert 0.05 / 3 <= judge(*values(differences)).overall.p < 0.05 / 2
    passed = [judge(*values(differences), n_attempts_before=n).passed for n in range(4)]
    assert passed == [True, True, False, False]
    refused = judge(*values(differences), n_attempts_before=2)
    assert "0.01667 (0.05 over 3 attempts)" in refused.why
    assert "attempt 3 on these judgements" in refused.why


def test_many_attempts_are_drawn_often_enough_for_their_threshold():
    verdict = judge(*values(noisy(0.05)), n_attempts_before=999)
    assert verdict.overall.p < verdict.threshold == 0.05 / 1000
    assert verdict.passed


def test_a_subset_that_is_worse_refuses_a_model_that_is_better():
    differences = np.concatenate([noisy(0.08), noisy(-0.05, n=40, seed=1)])
    with_, without = values(differences)
    harmed = set(list(with_)[200:])
    assert judge(with_, without).passed
    verdict = judge(with_, without, subsets={"arabic": harmed, "rest": set(with_) - harmed})
    assert not verdict.passed
    assert "significantly worse on arabic -0.0" in verdict.why
    assert "rest" not in verdict.why
    assert verdict.subsets["arabic"].n_queries == 40


def test_a_subset_that_may_be_worse_by_chance_refuses_nothing():
    differences = np.concatenate([noisy(0.08), noisy(-0.005, n=40, seed=2)])
    with_, without = values(differences)
    rest = list(with_)[200:]
    verdict = judge(with_, without, subsets={"rest": rest})
    assert verdict.subsets["rest"].difference < 0
    assert verdict.passed


def test_what_would_have_been_seen_is_seen_four_times_in_five():
    detectable = judge(*values(noisy(0.0, n=60))).detectable
    draws = np.random.default_rng(3).normal(detectable, 0.1, (100, 60))
    passed = [judge(*values(differences)).passed for differences in draws]
    assert 0.68 < np.mean(passed) < 0.92


def test_the_order_of_the_queries_changes_nothing():
    with_, without = values(noisy(0.02))
    backwards = dict(reversed(with_.items()))
    assert judge(backwards, without) == judge(with_, without)


def test_other_queries_are_a_mistake():
    with pytest.raises(ValueError, match="same queries"):
        judge({"a": 1.0}, {"b": 1.0})


tables = st.integers(2, 25).flatmap(
    lambda n: st.lists(
        st.lists(st.sampled_from([0.0, 0.3, 0.5, 1.0]), min_size=3, max_size=3),
        min_size=n,
        max_size=n,
    )
)


@given(tables, st.integers(2, 6), st.integers(0, 3))
def test_no_query_takes_part_in_the_choice_that_it_judges(rows, n_folds, seed):
    table = np.array(rows)
    found = cross_validate(table, n_folds=n_folds, seed=seed)
    for query in range(len(table)):
        changed = table.copy()
        changed[query] = [9.0, -9.0, 0.0]  # whatever this query likes
        again = cross_validate(changed, n_folds=n_folds, seed=seed)
        own = [setting for setting in range(3) if changed[query, setting] == again.values[query]]
        assert found.values[query] in table[query, own]
    assert found.setting == int(np.argmax(table.mean(axis=0).round(12)))


def test_a_fitted_choice_looks_better_than_it_is():
    """On noise the best column is above its true 0, and the held-out values are not."""
    best, held = [], []
    for seed in range(200):
        table = np.random.default_rng(seed).normal(0, 0.1, (40, 20))
        best.append(table.mean(axis=0).max())
        held.append(cross_validate(table, seed=seed).values.mean())
    assert np.mean(best) > 0.02
    assert abs(np.mean(held)) < 0.005


def test_equal_settings_give_the_first():
    found = cross_validate(np.full((10, 4), 0.1) + np.arange(10)[:, None] / 3)
    assert (found.setting, set(found.chosen)) == (0, {0})
    assert len(found.chosen) == 5


def test_too_few_queries_or_folds_are_a_sentence():
    with pytest.raises(ConfigError, match="at least 2 judged queries, not 1"):
        cross_validate(np.ones((1, 3)))
    with pytest.raises(ConfigError, match="at least 2 folds"):
        cross_validate(np.ones((5, 3)), n_folds=1)


def attempt(**changes):
    return Attempt(
        **{
            "qrels": "q1", "model": "m", "fingerprint": "f", "settings": "s", "weight": 0.5,
            "n_queries": 9, "difference": 0.1, "p": 0.01, "threshold": 0.05, "passed": True,
            "time": "2026-01-01T00:00:00+00:00",
        }
        | changes
    )  # fmt: skip


def test_the_same_attempt_counts_once_and_other_judgements_do_not(tmp_path):
    made = [attempt(), attempt(settings="t"), attempt(fingerprint="g"), attempt(qrels="q2")]
    for one in [*made, attempt(time="later")]:
        record(tmp_path, one)
    assert read_attempts(tmp_path) == made
    assert n_others(made, qrels="q1", identity=("f", "s")) == 2
    assert n_others(made, qrels="q1", identity=("new", "s")) == 3
    assert n_others(made, qrels="q3", identity=("f", "s")) == 0


def test_a_record_only_grows(tmp_path):
    record(tmp_path, attempt())
    before = (tmp_path / "attempts.jsonl").read_bytes()
    record(tmp_path, attempt(model="ünï \u2028", settings="t"))
    assert (tmp_path / "attempts.jsonl").read_bytes().startswith(before)
    assert len(read_attempts(tmp_path)) == 2


@pytest.mark.parametrize("harm", ["{", "[]", '{"qrels": "q"}', "\u00ff"])
def test_a_record_that_cannot_be_read_is_not_taken_for_none(tmp_path, harm):
    record(tmp_path, attempt())
    with (tmp_path / "attempts.jsonl").open("a", encoding="latin-1") as file:
        file.write(harm)
    with pytest.raises(DamagedIndex, match="line 2 is no attempt"):
        record(tmp_path, attempt(settings="t"))


def test_judgements_are_known_by_what_they_say():
    one = {"q1": {"a": 1, "b": 0}, "q2": {"c": 2}}
    same = {"q2": {"c": 2}, "q1": {"b": 0, "a": 1}}
    assert qrels_hash(one) == qrels_hash(same)
    assert qrels_hash(one) != qrels_hash({"q1": {"a": 1, "b": 1}, "q2": {"c": 2}})
    assert qrels_hash(one) != qrels_hash({"q1": {"a": 1, "b": 0}})
