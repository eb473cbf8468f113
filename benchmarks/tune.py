"""How long does tuning take, and is the tuned pipeline as good on queries it has not seen?

    python benchmarks/tune.py --index indexes/scifact                     without the reranker
    python benchmarks/tune.py --index indexes/scifact --reranked --step 3

Tunes a copy of a SciFact index on the training queries (5 folds), with the time of the stages,
which run once, and of the search over settings apart (by the clock and of the processor, where
others use the machine too); then ranks the test queries by the pipeline
that was in force and by the tuned one, by plain searches: nDCG@10, its difference with interval
and p. Neither grid nor rules were chosen by the test queries. `--step 3` takes every third
training query: the reranker is slow on a processor.
Appends to results/tune.json.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from judged import Judged, as_run, measure, read
from report import record

from searchkit.evaluate.compare import Comparison, compare
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline
from searchkit.tune.kept_pairs import kept
from searchkit.tune.tune import TuneOptions, Tuning, tune
from searchkit.tune.tuning import settings_by_name
from searchkit.types import Query

TEST = ("scifact", "test")
SEARCH_BAR_S = 60.0


def tuned_on_train(index: Path, *, reranked: bool, step: int) -> tuple[Tuning, dict[str, Any]]:
    judged = read("scifact", "train", step=step)
    queries = [Query(*one) for one in zip(judged.ids, judged.texts, strict=True)]
    options = TuneOptions(reranker="auto" if reranked else None)
    start, own = time.perf_counter(), time.process_time()
    found = tune(index, queries, judged.qrels, options=options)
    wall_s, own_s = time.perf_counter() - start, time.process_time() - own
    stages_s = {name: took for name, took in found.times_s.items() if name != "settings"}
    own_stages_s = sum(found.processor_s[name] for name in stages_s)
    return found, {
        "n_queries": len(queries),
        "first_stages": found.n_firsts,
        "ways_to_rerank": found.n_reranks,
        "stages_s": {name: round(took, 1) for name, took in stages_s.items()},
        "search_s": round(wall_s - sum(stages_s.values()), 1),
        "search_processor_s": round(own_s - own_stages_s, 1),
        "current": round(found.baseline, 4),
        "cross_validated": round(found.quality, 4),
        "fitted": round(found.fitted, 4),
        "optimism": round(found.optimism, 4),
        **spell(found.verdict.overall),
        "n_near": found.n_near,
        "passed": found.verdict.passed,
        "written": found.written,
        "settings": settings_by_name(found.tuned),
        "by_fold": [settings_by_name(one.pipeline) for one in found.folds],
    }


def on_test(index: Path, judged: Judged, pipeline: Pipeline) -> list[float]:
    """nDCG@10 of each test query by a plain search with this pipeline."""
    # without the fingerprint of a promotion, which a pipeline that is passed in does not need
    pipeline = replace(pipeline, reranker_fingerprint="")
    with open_searcher(index, options=OpenOptions(pipeline=pipeline)) as searcher:
        scorer = searcher.stages.scorer
        with kept(scorer.get()) if scorer else nullcontext() as own:
            if own is not None:  # both pipelines read much the same pairs
                searcher.stages = replace(searcher.stages, scorer=Lazy.of(own))
            stages = searcher.stages
            found = stages.run(judged.texts, stage=stages.default, k=100)
            run = as_run(judged, found.rankings[found.last], searcher)
    values = measure(run, judged.qrels).per_query
    return [values[query]["nDCG@10"] for query in judged.ids]


def spell(found: Comparison) -> dict[str, Any]:
    return {
        "difference": round(found.difference, 4),
        "interval": [round(found.low, 4), round(found.high, 4)],
        "p": round(found.p, 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", type=Path, default=Path("indexes/scifact"))
    parser.add_argument("--reranked", action="store_true", help="with the pipeline's reranker")
    parser.add_argument("--step", type=int, default=1, help="every so many training queries")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index = Path(shutil.copytree(given.index, Path(folder) / "index"))
        found, train = tuned_on_train(index, reranked=given.reranked, step=given.step)
        judged = read(*TEST)
        before = on_test(index, judged, found.current)
        after = on_test(index, judged, found.tuned)
    gain = compare(after, before, seed=1)
    test = {"n_queries": gain.n_queries, "current": round(sum(before) / len(before), 4)}
    test |= {"tuned": round(sum(after) / len(after), 4), **spell(gain)}
    bars = {
        f"search <= {SEARCH_BAR_S:g} s": train["search_s"] <= SEARCH_BAR_S,
        f"search <= {SEARCH_BAR_S:g} s of processor time": train["search_processor_s"]
        <= SEARCH_BAR_S,
        "at least 300 settings": train["first_stages"] >= 300,
        "not significantly worse on test": not (gain.difference < 0 and gain.p < 0.05),
    }
    reranker = found.current.reranker or "none"
    record("tune", {"reranker": reranker, "train": train, "test": test, "bars": bars})


if __name__ == "__main__":
    main()
