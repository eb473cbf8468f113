"""A file or a metadata column -> who cites whom, and queries made of it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from searchkit.corpus.lines import numbered_lines
from searchkit.errors import ConfigError, CorpusError
from searchkit.index.index import Index
from searchkit.train.cloze import Cloze, ClozeCounts

Citation = tuple[str, str]  # ids of the citing and of the cited document
_HEADS = ("citing", "source", "from", "query-id")  # of a first column


def read_citations(path: Path) -> list[Citation]:
    """The pairs of a file of two columns: id of the citing and of the cited document, a line each.

    `.csv` is separated by commas, everything else by tabs; each also .gz. A head is known by its
    first word (citing, source, from). CorpusError for a line that has no two ids, or for none.
    """
    comma = "," if path.name.removesuffix(".gz").endswith(".csv") else "\t"
    found = []
    with numbered_lines(path) as lines:
        for number, line in lines:
            text = line.decode("utf-8", "replace")
            if not text.strip():
                continue
            cells = [
                cell.strip() for cell in next(csv.reader([text.rstrip("\r\n")], delimiter=comma))
            ]
            if number == 1 and cells[0].casefold().startswith(_HEADS):
                continue
            if len(cells) < 2 or not cells[0] or not cells[1]:
                why = "need two columns, the citing and the cited id. Separate them by a tab"
                raise CorpusError(path, number, why)
            found.append((cells[0], cells[1]))
    if not found:
        raise CorpusError(path, None, "it holds no citation. Write two ids a line")
    return found


def citations_in(index: Index, column: str) -> Iterator[Citation]:
    """The pairs of a metadata column: a list of ids, or ids separated by semicolons.

    ConfigError where the documents have no such column.
    """
    if column not in index.table.column_names:
        known = ", ".join(index.table.column_names)
        raise ConfigError(f"{index.path} has no column {column!r}. It has {known}.")
    for doc in index:
        value = doc.meta.get(column)
        ids = value if isinstance(value, list) else str(value or "").split(";")
        yield from ((doc.id, cited) for one in ids if (cited := str(one).strip()))


def citation_clozes(index: Index, pairs: Iterable[Citation], counts: ClozeCounts) -> list[Cloze]:
    """A query for each pair: the citing document's title asks for the cited one, which is whole.

    Pairs of one citing document have the same query and query id, which is that document's id:
    mining knows the query's own document by it.
    """
    unique = list(dict.fromkeys((one, other) for one, other in pairs if one != other))
    rows = index.rows_of({id_ for pair in unique for id_ in pair})
    found = []
    for citing, cited in unique:
        if citing not in rows or cited not in rows:
            counts.leave("citations of or by what is not in the index")
        elif not (query := " ".join(index[rows[citing]].title.split())):
            counts.leave("citing documents without a title")
        else:
            found.append(
                Cloze(
                    query_id=citing,
                    kind="citation",
                    query=query,
                    doc_id=cited,
                    document=index[rows[cited]],
                )
            )
    if found:
        counts.made["citation"] = len(found)
    return found
