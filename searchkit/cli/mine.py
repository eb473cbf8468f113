"""`searchkit mine`: judged queries and an index -> triplets with hard negatives."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from searchkit.cli import mine_options as own
from searchkit.cli import options as flags
from searchkit.cli.idle import Given, given, refuse_idle
from searchkit.cli.judged_files import Judgements, Queries
from searchkit.cli.screen import say
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from searchkit.models.pair_scorer import CrossEncoderScorer
    from searchkit.search.assembly import OpenOptions
    from searchkit.search.searcher import Searcher
    from searchkit.train.mining import MineCounts, MineOptions
    from searchkit.types import Ranking

_RANKS = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_OF_MODELS = ("device", "trust_remote_code")


def mine(  # noqa: PLR0913 - the flags of a command are its parameters
    ctx: typer.Context,
    index: flags.IndexPath,
    *,
    queries: Queries,
    qrels: Judgements,
    out: own.Out,
    stage: own.Stage = None,
    where: flags.Where = None,
    n: own.N = 4,
    ranks: own.Ranks = "10-100",
    margin: own.Margin = None,
    relative_margin: own.RelativeMargin = None,
    near_duplicate: own.NearDuplicate = 0.5,
    judge: own.Judge = None,
    judge_margin: own.JudgeMargin = 0.0,
    pick: own.Pick = "random",
    seed: own.Seed = 42,
    template: own.Template = "{title} {text}",
    device: flags.Device = "auto",
    trust_remote_code: flags.TrustRemoteCode = False,
) -> None:
    """Write training triplets with hard negatives.

    A negative ranks high for its query and is not known to be right. FILE.json beside the
    triplets says how they were mined and what each filter dropped.

    \b
    Example:
      searchkit mine indexes/papers --queries train.jsonl --qrels train.tsv --out triplets.jsonl
    """
    from searchkit.cli.opening import searching
    from searchkit.search.assembly import OpenOptions
    from searchkit.train.mining import MineOptions
    from searchkit.train.triplet_file import check_place

    check_place(out)
    _refuse_idle(given(ctx), judge=judge, pick=pick)
    first, last = _window(ranks)
    options = MineOptions(n=n, first=first, last=last, pick=pick, seed=seed, template=template)
    options = replace(options, margin=margin, relative_margin=relative_margin)
    options = replace(options, near_duplicate=near_duplicate, judge_margin=judge_margin)
    opening = OpenOptions(reranker=None, device=device, trust_remote_code=trust_remote_code)
    with searching(index, opening) as searcher:
        stage = _checked(searcher, stage, {} if judge else given(ctx))
        scorer = _judge(judge, opening)
        job = _Job(searcher, stage, where, options, scorer)
        job.write(out, queries=queries, qrels=qrels)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is mined, from whose ranking, and how."""

    searcher: Searcher
    stage: str
    where: str | None
    options: MineOptions
    judge: CrossEncoderScorer | None

    def write(self, out: Path, *, queries: Path, qrels: Path) -> None:
        """The triplets and their note, with progress and a report on stderr."""
        from searchkit.cli.progress import Bars
        from searchkit.corpus.qrels import read_qrels
        from searchkit.corpus.queries import read_queries
        from searchkit.train.mining import MineCounts
        from searchkit.train.negatives import mine as mined
        from searchkit.train.triplet_file import note_path, write_triplets

        counts = MineCounts()
        asked, judged = read_queries(queries), read_qrels(qrels)
        with Bars("queries") as bars:
            triplets = mined(
                self.searcher.index,
                asked,
                judged,
                rank=self._rank,
                options=self.options,
                judge=self.judge,
                counts=counts,
                progress=bars(f"mine by {self.stage}"),
            )
            write_triplets(out, triplets, lambda: self._note(counts, [queries, qrels]))
        say(*counts.sentences(), f"{out} is written; {note_path(out)} says how.")

    def _rank(self, queries: Sequence[str], k: int) -> list[Ranking]:
        from searchkit.search.searcher import clean

        allowed = self.searcher.mask(self.where)
        asked = [clean(query) for query in queries]
        staged = self.searcher.stages.run(asked, stage=self.stage, k=k, allowed=allowed)
        return staged.rankings[staged.last]

    def _note(self, counts: MineCounts, files: list[Path]) -> dict[str, Any]:
        from searchkit import __version__
        from searchkit.models.fingerprint import file_sha256
        from searchkit.train.triplet_file import fingerprint

        generation = self.searcher.index.generation
        judge = self.judge and {"name": self.judge.name, "fingerprint": self.judge.fingerprint}
        return {
            "searchkit": __version__,
            "index": {
                "name": self.searcher.index.path.name,
                "generation": generation.number,
                "fingerprint": fingerprint(generation),
                "n_docs": generation.n_docs,
                "encoders": {one["name"]: one["fingerprint"] for one in generation.encoders},
            },
            "stage": self.stage,
            "where": self.where,
            "pipeline": self.searcher.pipeline.to_dict(),
            "sources": [{"file": path.name, "sha256": file_sha256(path)} for path in files],
            "options": asdict(self.options),
            "judge": judge,
            "counts": asdict(counts),
        }


def _window(ranks: str) -> tuple[int, int]:
    found = _RANKS.fullmatch(ranks.strip())
    if found is None:
        raise ConfigError(f"--ranks: {ranks!r} is not written like 10-100.")
    return int(found[1]), int(found[2])


def _checked(searcher: Searcher, stage: str | None, written: Given) -> str:
    """The stage that is mined; ConfigError for one that cannot, and for idle model flags."""
    if stage == "reranked":
        raise ConfigError(
            "--stage: bm25, dense and fused can be mined. A cross-encoder judges with --judge."
        )
    stage = searcher.stages.check(stage or searcher.stages.default)
    models = {name: flag for name, flag in written.items() if name in _OF_MODELS}
    refuse_idle(models, searcher.stages, stage=stage)
    return stage


def _refuse_idle(written: Given, *, judge: str | None, pick: str) -> None:
    if "judge_margin" in written and judge is None:
        raise ConfigError("--judge-margin has no effect without --judge NAME. Drop it or add one.")
    if "seed" in written and pick == "top":
        raise ConfigError("--seed has no effect: --pick top leaves nothing to chance. Drop it.")


def _judge(name: str | None, opening: OpenOptions) -> CrossEncoderScorer | None:
    if name is None:
        return None
    from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder

    wanted = CrossEncoderOptions(device=opening.device, trust_remote_code=opening.trust_remote_code)
    return open_cross_encoder(name, options=wanted)
