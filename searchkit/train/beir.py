"""A BEIR folder and a split -> judged pairs of query and document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.qrels import read_qrels
from searchkit.corpus.queries import read_queries
from searchkit.corpus.read import ReadOptions, read_docs
from searchkit.corpus.rows import BadRow
from searchkit.errors import CorpusError
from searchkit.models.names import render
from searchkit.train.shapes import Example, RowReader


@dataclass(frozen=True, slots=True)
class BeirSplit:
    """The three files of a split; which of them exist is known before any is read."""

    corpus: Path
    queries: Path
    qrels: Path

    @classmethod
    def find(cls, folder: Path, split: str) -> BeirSplit:
        """CorpusError where a file is missing, with the splits that are there."""
        if not folder.is_dir():
            why = "there is no such folder. Name a BEIR folder, with @SPLIT for another than train"
            raise CorpusError(folder, None, why)
        files = [
            _first(folder, f"{name}.jsonl", f"{name}.jsonl.gz") for name in ("corpus", "queries")
        ]
        qrels = [folder / "qrels" / f"{split}.tsv{zipped}" for zipped in ("", ".gz")]
        judged = next((path for path in qrels if path.is_file()), None)
        if judged is None:
            there = sorted({path.name.partition(".")[0] for path in folder.glob("qrels/*.tsv*")})
            why = f"there is no split {split!r}: qrels holds {', '.join(there) or 'nothing'}"
            raise CorpusError(folder, None, f"{why}. Name one as {folder}@SPLIT")
        return cls(files[0], files[1], judged)

    @property
    def files(self) -> tuple[Path, Path, Path]:
        return self.corpus, self.queries, self.qrels

    def pairs(self, reader: RowReader, *, template: str) -> Iterator[Example | BadRow]:
        """(query, document, 1.0 where the grade is above 0, else 0.0), in the order of the qrels.

        Memory holds the judged documents. A judgement of what is not there is a BadRow.
        """
        judged = read_qrels(self.qrels)
        queries = {query.id: reader.sound(query.text) for query in read_queries(self.queries)}
        passages = self._passages({doc for grades in judged.values() for doc in grades}, template)
        for query_id, grades in judged.items():
            for doc_id, grade in grades.items():
                if query_id not in queries:
                    yield _absent("query", query_id, self.queries)
                elif not passages.get(doc_id):
                    yield _absent("document", doc_id, self.corpus)
                else:
                    passage = reader.sound(passages[doc_id])
                    yield queries[query_id], passage, float(grade > 0)

    def _passages(self, wanted: set[str], template: str) -> dict[str, str]:
        # what is skipped here is missed above, where it is judged; elsewhere it does not matter
        options = ReadOptions(on_error="skip")
        docs = read_docs([str(self.corpus)], options, ledger=ReadLedger())
        return {doc.id: render(template, doc, "[SEP]") for doc in docs if doc.id in wanted}


def _first(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    why = f"the folder holds no {' or '.join(names)}. A BEIR folder has corpus, queries and qrels"
    raise CorpusError(folder, None, why)


def _absent(what: str, id_: str, where: Path) -> BadRow:
    why = f"{what} {id_!r} is judged, but {where.name} has no text for it. Add it, or skip rows"
    return BadRow(f"unknown {what}", why)
