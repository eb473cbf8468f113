"""How long does a lexical index of 200,000 abstracts take, beside tantivy and bm25s?

Every build is a process of its own, measured from its start to its end with its peak memory;
all read the same JSONL file, stem English and store title and text. Medians of several rounds,
the peers taking turns.

    python benchmarks/build_lexical.py --corpus recombined.jsonl
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import record

SEARCHKIT = "import sys, searchkit; searchkit.build(sys.argv[1], out=sys.argv[2], encoders=[])"

TANTIVY = """
import json, sys, tantivy
from pathlib import Path
schema = tantivy.SchemaBuilder()
schema.add_text_field("id", stored=True, tokenizer_name="raw")
for field in ("title", "text"):
    schema.add_text_field(field, stored=True, tokenizer_name="en_stem")
Path(sys.argv[2]).mkdir()
index = tantivy.Index(schema.build(), path=sys.argv[2])
writer = index.writer(heap_size=500_000_000, num_threads=2)
for line in open(sys.argv[1], encoding="utf-8"):
    row = json.loads(line)
    writer.add_document(tantivy.Document(id=row["_id"], title=row["title"], text=row["text"]))
writer.commit()
writer.wait_merging_threads()
"""

BM25S = """
import json, sys, bm25s, Stemmer
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
texts = [row["title"] + " " + row["text"] for row in rows]
tokens = bm25s.tokenize(
    texts, stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False
)
index = bm25s.BM25()
index.index(tokens, show_progress=False)
index.save(sys.argv[2], corpus=rows)
"""

PEERS = {"searchkit": SEARCHKIT, "tantivy": TANTIVY, "bm25s": BM25S}


def build(code: str, corpus: Path) -> dict[str, float]:
    """Seconds, peak resident megabytes and megabytes on disk of one build."""
    folder = Path(tempfile.mkdtemp())
    out, script = folder / "index", "import resource\n" + code
    script += "\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, str(corpus), str(out)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    on_disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    shutil.rmtree(folder)
    return {
        "seconds": round(seconds, 2),
        "peak_mb": round(int(done.stdout.split()[-1]) / 1024),
        "disk_mb": round(on_disk / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="+", default=list(PEERS))
    given = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {peer: [] for peer in given.peers}
    for _ in range(given.rounds):
        for peer in given.peers:
            runs[peer].append(build(PEERS[peer], given.corpus))
            print(peer, json.dumps(runs[peer][-1]), file=sys.stderr)
    medians = {
        peer: {key: statistics.median(run[key] for run in found) for key in found[0]}
        for peer, found in runs.items()
    }
    ours = medians["searchkit"]["seconds"]
    ratios = {peer: round(ours / m["seconds"], 2) for peer, m in medians.items()}
    n_docs = sum(1 for _ in given.corpus.open("rb"))
    record("build_lexical", {"n_docs": n_docs, "medians": medians, "time_ratio": ratios})


if __name__ == "__main__":
    main()
