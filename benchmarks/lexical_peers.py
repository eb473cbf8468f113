"""Every lexical engine as two pieces of work: a corpus -> an index; queries -> their documents.

Equal work: all read the same JSONL file, cut it into words, drop English stop words, stem with
Snowball English, index title and text as one field with term frequencies and no positions, and
store the rows. All answer a query from its text with the numbers and scores of 100 documents by
BM25 at k1 1.2, b .75. Each runs in a process of its own, with a thread a core that it may use;
tantivy for Python answers one query at a time, and so do bm25s with numpy and rank-bm25. Times are
of the processor, those of the kernel for it included: on an idle machine and one core these are
the time on the clock but for waits for the disk, and on a busy one they do not count what others
take. The time on the clock stands beside them.

    python benchmarks/lexical_peers.py build PEER CORPUS OUT     prints its times and peak memory
    python benchmarks/lexical_peers.py serve PEER CORPUS OUT     answers lines of JSON on stdin
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

K, K1, B = 100, 1.2, 0.75
CUT = {"stopwords": "en", "show_progress": False}
THREADS = len(os.sched_getaffinity(0))
Search = Callable[[Sequence[str]], object]


def rows_of(corpus: Path) -> Iterator[dict[str, str]]:
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


# -- searchkit


def build_searchkit(corpus: Path, out: Path) -> None:
    import searchkit

    searchkit.build(corpus, out=out, encoders=[])


def open_searchkit(corpus: Path, out: Path) -> Search:
    from searchkit.index.index import Index
    from searchkit.retrieve.bm25 import BM25Retriever, lexical_parts
    from searchkit.retrieve.bm25_formula import BM25Params

    index = Index.open(out)
    parts = lexical_parts(index)
    ours = BM25Retriever(
        parts, analyzer=index.analyzer, params=BM25Params(k1=K1, b=B), engine="kernel"
    )
    return lambda asked: ours.retrieve(asked, K)


# -- bm25s, whose numba build differs by its compiled scorer


def build_bm25s(corpus: Path, out: Path, backend: str = "numpy") -> None:
    import bm25s
    import Stemmer

    rows = list(rows_of(corpus))
    texts = [f"{row['title']} {row['text']}" for row in rows]
    tokens = bm25s.tokenize(texts, stemmer=Stemmer.Stemmer("english"), **CUT)
    index = bm25s.BM25(method="lucene", k1=K1, b=B, backend=backend)
    index.index(tokens, show_progress=False)
    index.save(str(out), corpus=rows)


def build_bm25s_numba(corpus: Path, out: Path) -> None:
    build_bm25s(corpus, out, backend="numba")


def open_bm25s(corpus: Path, out: Path, backend: str = "numpy") -> Search:
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    peer = bm25s.BM25.load(str(out), override_params={"backend": backend}, show_progress=False)
    n_threads = THREADS if backend == "numba" else 0  # numpy's 1 is a pool of one thread

    def search(asked: Sequence[str]) -> object:
        tokens = bm25s.tokenize(list(asked), stemmer=stemmer, **CUT)
        return peer.retrieve(tokens, k=K, n_threads=n_threads, show_progress=False)

    return search


def open_bm25s_numba(corpus: Path, out: Path) -> Search:
    return open_bm25s(corpus, out, backend="numba")


# -- tantivy


def _analyzer() -> Any:  # noqa: ANN401 - tantivy has no types
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    builder = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase())
    return builder.filter(Filter.stopword("english")).filter(Filter.stemmer("english")).build()


def build_tantivy(corpus: Path, out: Path) -> None:
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_text_field("body", tokenizer_name="stemmed", index_option="freq")
    schema.add_bytes_field("row", stored=True)
    out.mkdir()
    index = tantivy.Index(schema.build(), path=str(out))
    index.register_tokenizer("stemmed", _analyzer())
    writer = index.writer(heap_size=500_000_000, num_threads=THREADS)
    with corpus.open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            body = f"{row['title']} {row['text']}"
            writer.add_document(tantivy.Document(body=body, row=line))
    writer.commit()
    writer.wait_merging_threads()


def open_tantivy(corpus: Path, out: Path) -> Search:
    """Without the count of all matches, which would make it read every posting."""
    import tantivy

    index = tantivy.Index.open(str(out))
    index.register_tokenizer("stemmed", _analyzer())
    searcher = index.searcher()

    def search(asked: Sequence[str]) -> object:
        found = []
        for query in asked:
            words = "".join(c if c.isalnum() else " " for c in query.lower())
            try:
                parsed = index.parse_query(words, ["body"])
            except ValueError:  # all of them are stop words
                found.append([])
                continue
            found.append(searcher.search(parsed, K, count=False).hits)
        return found

    return search


# -- rank-bm25, which has nothing on disk: every process makes its index anew


def _rank_bm25(corpus: Path) -> Any:  # noqa: ANN401 - rank-bm25 has no types
    import bm25s
    import Stemmer
    from rank_bm25 import BM25Okapi

    texts = [f"{row['title']} {row['text']}" for row in rows_of(corpus)]
    stemmer = Stemmer.Stemmer("english")
    tokens = bm25s.tokenize(texts, stemmer=stemmer, return_ids=False, **CUT)
    return BM25Okapi(tokens, k1=K1, b=B)


def build_rank_bm25(corpus: Path, out: Path) -> None:
    out.mkdir()
    _rank_bm25(corpus)


def open_rank_bm25(corpus: Path, out: Path) -> Search:
    import bm25s
    import numpy as np
    import Stemmer

    peer, stemmer = _rank_bm25(corpus), Stemmer.Stemmer("english")

    def search(asked: Sequence[str]) -> object:
        found = []
        for tokens in bm25s.tokenize(list(asked), stemmer=stemmer, return_ids=False, **CUT):
            scores = peer.get_scores(tokens)
            best = np.argpartition(-scores, K - 1)[:K]
            found.append(best[np.argsort(-scores[best])])
        return found

    return search


BUILD: dict[str, Callable[[Path, Path], None]] = {
    "searchkit": build_searchkit,
    "tantivy": build_tantivy,
    "bm25s numpy": build_bm25s,
    "bm25s numba": build_bm25s_numba,
    "rank-bm25": build_rank_bm25,
}
OPEN: dict[str, Callable[[Path, Path], Search]] = {
    "searchkit": open_searchkit,
    "tantivy": open_tantivy,
    "bm25s numpy": open_bm25s,
    "bm25s numba": open_bm25s_numba,
    "rank-bm25": open_rank_bm25,
}
IMPORTS = {
    "searchkit": "searchkit.index.build searchkit.index.invert searchkit.search.api",
    "tantivy": "tantivy",
    "bm25s numpy": "bm25s Stemmer",
    "bm25s numba": "bm25s Stemmer",
    "rank-bm25": "bm25s Stemmer rank_bm25",
}


def peak_mb() -> int:
    """Of this process alone; ru_maxrss would begin with its parent's."""
    return _status_mb("VmHWM")


def memory() -> dict[str, int]:
    """What this process holds now: its own, and pages of files that the system may drop."""
    held = {"resident_mb": "VmRSS", "anonymous_mb": "RssAnon", "mapped_mb": "RssFile"}
    return {"peak_mb": peak_mb()} | {name: _status_mb(of) for name, of in held.items()}


def _status_mb(name: str) -> int:
    status = Path("/proc/self/status").read_text("utf-8").splitlines()
    [found] = [line.split()[1] for line in status if line.startswith(f"{name}:")]
    return round(int(found) / 1024)


def load(peer: str) -> None:
    for module in IMPORTS[peer].split():
        __import__(module)


def built(peer: str, corpus: Path, out: Path) -> dict[str, float]:
    """What a build in a process of its own took, its start included in `wall_s` alone."""
    start = time.perf_counter()
    found = json.loads(_worker("build", peer, corpus, out).communicate()[0])
    wall_s = round(time.perf_counter() - start, 2)
    on_disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {"wall_s": wall_s, **found, "disk_mb": round(on_disk / 1e6)}


class Served:
    """A peer that answers in a process of its own, over an index that was built before."""

    def __init__(self, peer: str, corpus: Path, out: Path) -> None:
        self.process = _worker("serve", peer, corpus, out)

    def seconds(self, queries: Sequence[str]) -> tuple[float, float]:
        """Processor time and time on the clock that it takes to answer all of them."""
        took = self._ask(list(queries))
        return took["processor_s"], took["wall_s"]

    def close(self) -> dict[str, float]:
        """Ends it; what memory it held."""
        held = self._ask([])
        self.process.communicate()
        return held

    def _ask(self, queries: list[str]) -> dict[str, float]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(queries) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def _worker(verb: str, peer: str, corpus: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, verb, peer, str(corpus), str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "DISABLE_TQDM": "1"},
    )


def main(verb: str, peer: str, corpus: str, out: str) -> None:
    load(peer)
    if verb == "build":
        start = time.process_time()
        BUILD[peer](Path(corpus), Path(out))
        processor_s = round(time.process_time() - start, 3)
        print(json.dumps({"processor_s": processor_s, "peak_mb": peak_mb()}))
        return
    search = OPEN[peer](Path(corpus), Path(out))
    for line in sys.stdin:
        if not (queries := json.loads(line)):
            print(json.dumps(memory()), flush=True)
            return
        start, clock = time.process_time(), time.perf_counter()
        search(queries)
        took = {
            "processor_s": time.process_time() - start,
            "wall_s": time.perf_counter() - clock,
        }
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
