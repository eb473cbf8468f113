"""Documents in segments of any cut, with deleted rows where a test wants them."""

import itertools
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.index.ann_choice import FLAT
from searchkit.index.ann_parts import Anns
from searchkit.index.dense_parts import DenseChoice, dense_parts
from searchkit.index.drafts import Drafts
from searchkit.index.known import Known
from searchkit.index.rederive import rederive_tombstones
from searchkit.index.segments import write_segments
from searchkit.models.fakes import HashEncoder
from searchkit.types import Doc


@contextmanager
def drafts():
    with TemporaryDirectory() as index, Drafts(Path(index)) as made:
        yield made


def docs_of(papers):
    return [Doc(f"d{n}", *paper) for n, paper in enumerate(papers)]


def segments_of(made, docs, sizes, *, analyzer="plain", vectors=()):
    """The documents cut into segments of these sizes, the last one of the rest."""
    ends = [end for end in itertools.accumulate(sizes) if end < len(docs)]
    cuts = [cut for cut in itertools.pairwise([0, *ends, len(docs)]) if cut[0] < cut[1]]
    shape = {"analyzer": TextAnalyzer.named(analyzer), "progress": silent("")}
    bare = [one for a, b in cuts for one in write_segments(made, docs[a:b], first_seq=a, **shape)]
    choices = [DenseChoice(HashEncoder(8, 5 + n), config) for n, config in enumerate(vectors)]
    options = {"choices": choices, "ann": FLAT, "anns": Anns(), "watch": silent}
    options["known"] = Known(made.index)
    return [
        replace(one, parts=one.parts + dense_parts(made, one, number=0, **options)) for one in bare
    ]


def silent(_):
    return lambda *_: None


def without(made, segment, rows):
    """The segment with some of its rows deleted."""
    if not len(rows):
        return segment
    stones = rederive_tombstones(made, segment, segment.part("postings"), rows)
    return replace(segment, parts=(*segment.parts, stones))


def cut_down(made, segments, alive):
    """The segments without the documents that are not alive."""
    ends = np.cumsum([segment.n_docs for segment in segments])
    masks = np.split(np.array(alive, bool), ends[:-1])
    return [
        without(made, segment, np.flatnonzero(~mask))
        for segment, mask in zip(segments, masks, strict=True)
    ]
