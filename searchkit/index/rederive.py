"""A stored segment -> parts derived from it anew: postings from texts, tombstones from postings."""

from __future__ import annotations

import numpy as np

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.index.docs import DocStore
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Part, Segment
from searchkit.index.invert import PostingsBuilder, cut_batch
from searchkit.index.opened import shared
from searchkit.index.postings import open_postings
from searchkit.index.tombstones import write_tombstones
from searchkit.protocols import Progress
from searchkit.types import Rows


def rederive_postings(
    drafts: Drafts, segment: Segment, analyzer: TextAnalyzer, progress: Progress
) -> Part:
    """The postings of a segment by this analyzer, as a fresh build of it would write them.

    Progress is in documents.
    """
    folder, builder = drafts.folder("postings"), PostingsBuilder(analyzer)
    docs, done = DocStore(drafts.index / segment.folder), 0
    for titles, texts in zip(docs.titles.chunks, docs.texts.chunks, strict=True):
        builder.add(cut_batch(titles, texts))
        done += len(titles)
        progress(done, segment.n_docs)
    old = segment.part("postings")
    stats = {**(old.stats if old else {}), **builder.finish(folder)}  # what metadata was mixed
    config = {"analyzer": analyzer.config, "positions": False}
    return drafts.part("postings", folder, config, inputs=segment.hash, stats=stats)


def rederive_tombstones(drafts: Drafts, segment: Segment, postings: Part, rows: Rows) -> Part:
    """The tombstones of these rows, ascending, by the terms of these postings."""
    folder = drafts.folder("tombstones")
    opened = shared(drafts.index / postings.folder, open_postings)
    stats = write_tombstones(folder, np.asarray(rows, np.int64), opened)
    config = {"postings": postings.hash}
    return drafts.part("tombstones", folder, config, inputs=segment.hash, stats=stats)
