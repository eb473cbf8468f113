"""What was measured, stage by stage -> the rows of the table, their significance and the facts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import searchkit
from searchkit.evaluate import machine
from searchkit.evaluate.against import compare_all
from searchkit.index.generation import Generation
from searchkit.index.index import Index
from searchkit.models.device import Device, pick_device
from searchkit.tune.bench.fresh import Fresh
from searchkit.tune.bench.quality import BATCH, MEASURES, NDCG, Quality
from searchkit.tune.bench.result import Ceiling, StageResult
from searchkit.tune.bench.stages import BenchStage, Lineup, disk_bytes, model_bytes

_PERCENTILES = (50, 95, 99)


def rows(
    lineup: Lineup,
    generation: Generation,
    quality: Quality,
    *,
    times: Mapping[str, NDArray[np.float64]],
    fresh: Mapping[str, Fresh],
    seed: int,
) -> tuple[StageResult, ...]:
    """One row a stage; every p is corrected for the number of stages (Holm)."""
    tallies = quality.tallies
    runs = {name: tally.evaluation(NDCG) for name, tally in tallies.items()}
    compared = compare_all({"": runs}, baseline=lineup.baseline, seed=seed)
    against = {one.run: one for one in compared}
    return tuple(
        StageResult(
            name=one.name,
            values={measure: tallies[one.name].mean(measure) for measure in MEASURES},
            unjudged_at_10=tallies[one.name].unjudged(),
            against=against[one.name].found if one.name in against else None,
            p_holm=against[one.name].p_holm if one.name in against else None,
            latency_ms=_percentiles(times[one.name]),
            cold_ms=fresh[one.name].cold_ms,
            batch_qps=len(tallies[one.name].values) / tallies[one.name].time_s,
            peak_bytes=fresh[one.name].peak_bytes,
            disk_bytes=disk_bytes(generation, one),
            model_bytes=model_bytes(one),
            depth=_depth(one),
        )
        for one in lineup.stages
    )


def focus_of(lineup: Lineup) -> tuple[str, str]:
    """The stage to be looked at query by query, and what it is compared with, "" with nothing."""
    if lineup.reranked:
        return lineup.reranked[0].name, lineup.baseline
    names = {one.stage: one.name for one in lineup.stages}
    return (names["fused"], names["bm25"]) if "fused" in names else (names["bm25"], "")


def ceilings(lineup: Lineup, quality: Quality) -> dict[str, Ceiling]:
    """What each reranker could reach with the documents that it reads."""
    found = {}
    for one in lineup.reranked:
        depth = one.stages.pipeline.rerank.depth
        found[one.name] = Ceiling(
            depth=depth, recall=quality.read_recall[depth], ndcg=quality.oracle[depth]
        )
    return found


def index_facts(index: Index) -> dict[str, Any]:
    """What names an index and its state."""
    generation = index.generation
    return {
        "path": str(index.path),
        "generation": generation.number,
        "fingerprint": generation.fingerprint,
        "documents": generation.n_docs,
        "measured_documents": generation.n_docs,
        "analyzer": index.analyzer.name,
        "encoders": [
            {key: record.get(key) for key in ("name", "fingerprint", "dim", "max_tokens")}
            for record in generation.encoders
        ],
        "written": generation.written,
    }


def about(seed: int, device: Device, *, load: float) -> dict[str, Any]:
    """Where, when and with what it was measured."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.machine(),
        "load_before": load,  # processes that wanted a core before ours
        "device": pick_device(device),
        "threads": _threads(),
        "versions": machine.versions(),
        "commit": machine.commit(Path(searchkit.__file__).parent),
        "seed": seed,
        "batch": BATCH,
    }


def _threads() -> int:
    import torch

    return int(torch.get_num_threads())


def _percentiles(ms: NDArray[np.float64]) -> dict[str, float]:
    found = np.percentile(ms, _PERCENTILES).tolist()
    return {f"p{n}": value for n, value in zip(_PERCENTILES, found, strict=True)}


def _depth(one: BenchStage) -> int:
    pipeline = one.stages.pipeline
    return pipeline.rerank.depth if one.is_reranked else pipeline.depth
