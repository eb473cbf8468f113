"""What `searchkit.open` does: a folder -> one Searcher, without what only building needs."""

from __future__ import annotations

from pathlib import Path

from searchkit.index.index import Index
from searchkit.index.snapshots import chosen
from searchkit.search.assembly import Assembly, OpenOptions
from searchkit.search.searcher import Searcher


def open_searcher(path: str | Path, *, options: OpenOptions | None = None) -> Searcher:
    """Open an index for searching. Models load when a stage first needs them."""
    options = options or OpenOptions()
    number = chosen(Path(path), options.generation, options.as_of)
    assembly, index = Assembly(options), Index.open(Path(path), number=number)
    try:
        return Searcher(index, assembly.stages(index), renew=assembly.stages)
    except BaseException:
        index.close()
        raise
