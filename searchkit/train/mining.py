"""The values of mining: what may become a negative, what comes out, and what was dropped."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Literal, NamedTuple

from searchkit.errors import ConfigError
from searchkit.models.names import PLAIN, render
from searchkit.types import Doc

_SEEN = 1000  # ranks among which a positive's score is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class MineOptions:
    """Which documents of a ranking become negatives; ConfigError lists every bad setting."""

    n: int = 4  # negatives of each judged pair, fewer where the filters leave fewer
    # ranks from 1, both ends belong to it; the first unjudged are often right (Qu et al.,
    # RocketQA, NAACL 2021, doi 10.18653/v1/2021.naacl-main.466)
    first: int = 10
    last: int = 100
    margin: float | None = None  # a negative scores at least this much below its positive
    relative_margin: float | None = None  # and at least this share of the positive's score
    near_duplicate: float = 0.5  # share of common shingles from which it is the positive again
    judge_margin: float = 0.0  # the same as `margin`, in scores of the cross-encoder
    pick: Literal["random", "top"] = "random"  # of what the filters leave
    seed: int = 42
    template: str = PLAIN  # of a document's text

    def __post_init__(self) -> None:
        faults = [
            (self.n < 1, f"n must be at least 1, not {self.n}"),
            (
                not 1 <= self.first <= self.last,
                f"the ranks must ascend from 1, not {self.first}-{self.last}",
            ),
            (
                self.relative_margin is not None and not 0 <= self.relative_margin < 1,
                f"relative_margin must be 0 to below 1, not {self.relative_margin}",
            ),
            (
                self.margin is not None and not isfinite(self.margin),
                f"margin must be a finite number, not {self.margin}",
            ),
            (
                not 0 < self.near_duplicate <= 1,
                f"near_duplicate must be above 0, to 1, not {self.near_duplicate}",
            ),
            (
                not isfinite(self.judge_margin),
                f"judge_margin must be a finite number, not {self.judge_margin}",
            ),
            (self.pick not in ("random", "top"), f"pick is random or top, not {self.pick!r}"),
            (self.seed < 0, f"the seed must be 0 or above, not {self.seed}"),
        ]
        if found := [why for wrong, why in faults if wrong]:
            raise ConfigError("; ".join(found) + ".")
        render(self.template, Doc("", "title", "text"))

    @property
    def depth(self) -> int:
        """Ranks asked for: deeper than the last where a positive's score is needed."""
        return self.last if not self.has_margin else max(self.last, _SEEN)

    @property
    def has_margin(self) -> bool:
        return self.margin is not None or self.relative_margin is not None

    def limit(self, score: float) -> float:
        """The highest score that a negative may have beside a positive of this one."""
        limits = [inf]
        if self.margin is not None:
            limits.append(score - self.margin)
        if self.relative_margin is not None:
            limits.append(score - self.relative_margin * abs(score))
        return min(limits)


class Triplet(NamedTuple):
    """One training example; fields are the columns of the file."""

    query_id: str
    positive_id: str
    negative_id: str
    query: str
    positive: str
    negative: str
    rank: int  # of the negative, from 1
    margin: float | None  # positive's score less the negative's, by the judge where there is one


@dataclass(slots=True)
class MineCounts:
    """What mining met; filled while the triplets stream by."""

    n_queries: int = 0  # that have a positive in the index
    n_unjudged: int = 0  # queries without a positive in the judgements
    n_lost: int = 0  # positives that are not in the index
    n_unknown: int = 0  # judged queries without a text
    n_pairs: int = 0  # of query and positive
    n_unranked: int = 0  # of them, pairs whose positive is deeper than the ranks looked at
    n_short: int = 0  # pairs that found fewer negatives than wanted
    n_empty: int = 0  # of them, pairs that found none
    n_triplets: int = 0
    n_candidates: int = 0  # documents in the window of ranks, over all queries
    dropped: dict[str, int] = field(default_factory=dict)  # by filter, in the order they ran

    def drop(self, why: str, n: int = 1) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + n

    def sentences(self) -> list[str]:
        """What came out and what was left, one fact a sentence; what did not happen is not."""
        found = [
            f"Triplets {self.n_triplets:,}, pairs {self.n_pairs:,}, queries {self.n_queries:,}."
        ]
        told = {
            "Queries without a positive, passed over": self.n_unjudged,
            "Judged queries without a text, passed over": self.n_unknown,
            "Positives that are not in the index, passed over": self.n_lost,
            "Pairs with fewer negatives than wanted": self.n_short,
            "Pairs with none": self.n_empty,
        }
        found += [f"{what}: {count:,}." for what, count in told.items() if count]
        if self.dropped:
            drops = ", ".join(f"{why} {count:,}" for why, count in self.dropped.items())
            found.append(f"Of {self.n_candidates:,} candidates dropped: {drops}.")
        return found
