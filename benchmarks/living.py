"""How long until a change of a large index can be searched?

Every abstract of arxiv_daily is indexed, without an encoder. Then, again and again, 100 abstracts
more are added and one is deleted, in a process that has the index open: the time goes from the call
until the open searcher has gone over to the new generation and answered a query by it. Merges that
a change makes due are counted with it. tantivy does the same beside it: documents in, commit,
reload, query; it stores what we store. What the answers show is checked each time.

    python benchmarks/living.py --work living
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tantivy
from report import record

import searchkit
from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.index import generation as generations
from searchkit.search.api import IndexOptions
from searchkit.types import Doc

CORPUS = Path(__file__).parents[1] / ".." / "shared" / "data" / "arxiv_daily" / "corpus.jsonl.gz"
N_ADDED = 100
QUERY = "gravitational lensing of quasars by clusters"


def fed(docs: Sequence[Doc], round_: int) -> list[Doc]:
    """Abstracts under new ids, others in each round; the first holds a word of its own."""
    start = (round_ * N_ADDED) % (len(docs) - N_ADDED)
    found = [
        Doc(f"new-{round_}-{n}", doc.title, doc.text, dict(doc.meta))
        for n, doc in enumerate(docs[start : start + N_ADDED])
    ]
    found[0] = Doc(found[0].id, found[0].title, f"{found[0].text} {word(round_)}", found[0].meta)
    return found


def word(round_: int) -> str:
    return f"zq{'abcdefghij'[round_ // 10]}{'abcdefghij'[round_ % 10]}zq"


def timed(work: Callable[[], bool]) -> float:
    """Milliseconds, of work that says whether its answer was right."""
    start = time.perf_counter()
    if not work():
        raise SystemExit("the answer is not that of the changed index")
    return (time.perf_counter() - start) * 1000


class Ours:
    def __init__(self, path: Path) -> None:
        self.path, self.searcher = path, searchkit.open(path, reranker=None)
        self.searcher.rank([QUERY] * 400, 10, stage="bm25")  # the kernel is loaded and warm

    def ids(self, query: str) -> list[str]:
        return [hit.doc.id for hit in self.searcher.search(query, 5, stage="bm25")]

    def add(self, docs: Sequence[Doc], query: str) -> bool:
        searchkit.add(self.path, docs)
        return self.searcher.reload() and self.ids(query) == [docs[0].id]

    def delete(self, id_: str, query: str) -> bool:
        searchkit.delete(self.path, [id_])
        return self.searcher.reload() and self.ids(query) == []


class Tantivy:
    def __init__(self, docs: Sequence[Doc]) -> None:
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("id", stored=True, tokenizer_name="raw")
        schema.add_text_field("title", stored=True, tokenizer_name="en_stem")
        schema.add_text_field("text", stored=True, tokenizer_name="en_stem")
        self.index = tantivy.Index(schema.build())
        self.writer = self.index.writer(heap_size=256_000_000, num_threads=1)
        self.feed(docs)

    def feed(self, docs: Sequence[Doc]) -> None:
        for doc in docs:
            self.writer.add_document(tantivy.Document(id=doc.id, title=doc.title, text=doc.text))
        self.writer.commit()
        self.index.reload()

    def ids(self, query: str) -> list[str]:
        searcher = self.index.searcher()
        parsed = self.index.parse_query(query, ["title", "text"])
        hits = searcher.search(parsed, 5).hits
        return [searcher.doc(address)["id"][0] for _, address in hits]

    def add(self, docs: Sequence[Doc], query: str) -> bool:
        self.feed(docs)
        return self.ids(query) == [docs[0].id]

    def delete(self, id_: str, query: str) -> bool:
        self.writer.delete_documents_by_term("id", id_)
        self.writer.commit()
        self.index.reload()
        return self.ids(query) == []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the index")
    parser.add_argument("--rounds", type=int, default=21)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    path = given.work / "living"
    built = time.perf_counter()
    options = IndexOptions(replace=True)
    searchkit.build(CORPUS, out=path, encoders=[], options=options)
    build_s = time.perf_counter() - built
    docs = list(read_docs([str(CORPUS)], ReadOptions(), ledger=ReadLedger()))
    systems: dict[str, Any] = {"searchkit": Ours(path), "tantivy": Tantivy(docs)}
    times: dict[str, dict[str, list[float]]] = {name: {"add": [], "delete": []} for name in systems}
    for n in range(given.rounds):
        fresh = fed(docs, n)
        for name in [*systems][:: 1 if n % 2 else -1]:
            system, of = systems[name], times[name]
            of["add"].append(timed(partial(system.add, fresh, word(n))))
            of["delete"].append(timed(partial(system.delete, fresh[0].id, word(n))))
    live = generations.read(path)
    record(
        "living",
        {
            "n_docs": len(docs),
            "n_added": N_ADDED,
            "rounds": given.rounds,
            "build_s": round(build_s, 1),
            "n_segments": len(live.segments),
            "ms": {
                name: {
                    what: {
                        "median": round(statistics.median(found), 1),
                        "least": round(min(found), 1),
                        "most": round(max(found), 1),
                    }
                    for what, found in of.items()
                }
                for name, of in times.items()
            },
        },
    )


if __name__ == "__main__":
    main()
