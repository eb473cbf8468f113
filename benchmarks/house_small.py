"""Where does house-small come from? Every step from the open texts to the weights that ship.

    python benchmarks/house_small.py WORK            # a folder of about 400 MB; hours on 2 cores

1. cloze queries: titles, and sentences taken out of their abstracts (Lee and others, 2019,
   arXiv:1906.00300), over the open part of bio_abstracts and a sample of arxiv_daily;
2. indexes of what is left of those abstracts, and of what citances and questions ask for;
3. lists: a relevant document and five others of the fused first stage, three of its first
   twelve and two from below, each with its first-stage score, and with what shares most with
   the query in front (`searchkit.models.focus`);
4. trainings, each from the model of the one before: titles; titles and sentences; citances and
   questions with a share of the others, as a correction of the first stage;
5. the delta over the packaged MiniLM, which is what ships.

What is there is not made again, and a training resumes: an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from judged import DATA, read

import searchkit
from searchkit.corpus.atomic import replaced
from searchkit.corpus.read import ReadOptions
from searchkit.fuse import min_max
from searchkit.models.delta import write_delta
from searchkit.models.encoder import EncoderOptions
from searchkit.models.focus import focus
from searchkit.models.sentences import split_sentences
from searchkit.models.serving import Serving, write_serving
from searchkit.search.api import IndexOptions, OpenOptions, open_searcher
from searchkit.search.searcher import Searcher
from searchkit.train.examples import read_examples
from searchkit.train.recipe import named
from searchkit.train.run import train
from searchkit.types import Ranking

N_ARXIV = 11_000
CHARS = 700  # of a document's text that a list keeps: more than 80 tokens
SHORT = 96  # tokens of a cloze document that its vector reads
N_SENTENCE_QUERIES = 10_000
SERVING = Serving(
    window="focus", max_tokens=80, depth=50, interpolation=70 / 71, scale="raw", after=("fused",)
)
HELD_OUT = {
    "pubmedqa": 4,
    "scisumm_citance": 16,
}  # one query in so many chooses, and trains nothing
_IDENTITY = "torch.nn.modules.linear.Identity"
_FRONT = """\
license: apache-2.0
base_model: sentence-transformers/all-MiniLM-L6-v2
datasets:
- arxiv_daily
- bio_abstracts
- scisumm_citance
- pubmedqa
"""
_USE = """\
## Intended use

It corrects a first stage of BM25 and MiniLM vectors over English scientific abstracts: the score of
a document is a weighted sum of its first-stage score, moved to 0..1 over the first 100, and of this
model's logit as it is (`searchkit.json` holds the weight). Alone it ranks worse than the first
stage. It reads the title and then the sentences that share most with the query, whatever fits.

Trained in three steps, each from the model of the one before: titles as queries; titles and
sentences taken out of their abstracts; citing sentences, questions and a share of the others, as
a correction of the first stage. `python benchmarks/house_small.py WORK` makes it again;
`benchmarks/house_quality.py` measures it. The texts it learned from are not in this card.

Data: arXiv metadata (CC0); abstracts of trials, reviews and preprints that are open (CC BY, CC0);
citing sentences of ScisummNet, training split (CC BY 4.0); questions of PubMedQA, training split
(MIT). `benchmarks/house_small.py` names the rows of each that train nothing.

"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query and its relevant documents."""

    query: str
    relevant: Collection[str]


def abstracts(draw: random.Random) -> list[dict[str, Any]]:
    """Documents with ids of their own, mixed."""

    def rows(name: str) -> Iterator[dict[str, Any]]:
        with gzip.open(DATA / name / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    biology = [row for row in rows("bio_abstracts") if row.get("open")]
    arxiv = draw.sample(list(rows("arxiv_daily")), N_ARXIV)
    named_rows = [("b", row) for row in biology] + [("a", row) for row in arxiv]
    found = [row | {"_id": letter + row["_id"]} for letter, row in named_rows]
    draw.shuffle(found)
    return found


def cloze(work: Path) -> dict[str, list[Asked]]:
    """Write the documents without what is asked of them, and return the queries."""
    draw = random.Random(20261121)
    asked: dict[str, list[Asked]] = {"titles": [], "sentences": []}
    left: dict[str, list[dict[str, str]]] = {"titles": [], "sentences": []}
    for n, row in enumerate(abstracts(draw)):
        title, sentences = row["title"].strip(), split_sentences(row["text"])
        if len(title) < 20 or len(sentences) < 3:
            continue
        if n % 5 < 2:
            left["titles"].append({"_id": row["_id"], "title": "", "text": " ".join(sentences)})
            asked["titles"].append(Asked(title, {row["_id"]}))
            continue
        fit = [
            n for n, s in enumerate(sentences) if 50 <= len(s) <= 350 and len(s.split()) >= 8
        ]  # fmt: skip
        most = 3 if len(sentences) >= 7 else 2 if len(sentences) >= 5 else 1
        if not fit:
            continue
        taken = sorted(draw.sample(fit, min(len(fit), most)))
        rest = " ".join(s for n, s in enumerate(sentences) if n not in taken)
        left["sentences"].append({"_id": row["_id"], "title": title, "text": rest})
        asked["sentences"] += [Asked(sentences[n], {row["_id"]}) for n in taken]
    for kind, rows in left.items():
        write(work / f"{kind}.jsonl", rows)
    random.Random(7).shuffle(asked["sentences"])
    return asked


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    if not path.exists():
        with replaced(path) as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def index(work: Path, name: str, source: Path, *, max_tokens: int | None = None) -> Path:
    place = work / "indexes" / name
    if not (place / "CURRENT").exists():
        print(f"indexing {name}", flush=True)
        options = IndexOptions(
            encoder=EncoderOptions(max_tokens=max_tokens), read=ReadOptions(on_error="skip")
        )
        searchkit.build(source, out=place, encoders=["minilm"], options=options)
    return place


def lists(index: Path, asked: Sequence[Asked], out: Path, draw: random.Random) -> Path:
    """Write the lists of queries whose relevant documents the first stage found."""
    if out.exists():
        return out
    searcher = open_searcher(index, options=OpenOptions(reranker=None))
    rows: list[dict[str, object]] = []
    for start in range(0, len(asked), 256):
        part = asked[start : start + 256]
        staged = searcher.stages.run([one.query for one in part], stage="fused", k=100)
        for one, ranking in zip(part, staged.rankings["fused"], strict=True):
            rows += _list(searcher, one, ranking.head(100), draw)
        print(f"{out.name}: {start + len(part)} of {len(asked)} queries", flush=True)
    write(out, rows)
    return out


def _list(
    searcher: Searcher, one: Asked, head: Ranking, draw: random.Random
) -> list[dict[str, object]]:
    ids, first = searcher.index.ids(head.rows), min_max(head.scores)
    relevant = [n for n, doc in enumerate(ids) if doc in one.relevant]
    if not relevant:
        return []
    positive = draw.choice(relevant)
    others = [n for n, doc in enumerate(ids) if doc not in one.relevant]
    high, low = [n for n in others if n < 12], [n for n in others if n >= 12]
    chosen = [positive, *draw.sample(high, min(3, len(high)))]
    chosen += draw.sample(low, min(2, len(low)))
    docs = [(n, searcher.index[int(head.rows[n])]) for n in chosen]
    return [
        {
            "query": one.query,
            "document": focus(one.query, doc.title, doc.text)[:CHARS],
            "label": float(n == positive),
            "first": round(float(first[n]), 4),
        }
        for n, doc in docs
    ]


def judged_queries(name: str) -> list[Asked]:
    """Training queries of a judged collection, without those that are held out."""
    judged = read(name, "train")
    return [
        Asked(text, {doc for doc, grade in judged.qrels[query].items() if grade > 0})
        for query, text in zip(judged.ids, judged.texts, strict=True)
        if not held_out(name, query)
    ]


def held_out(name: str, query: str) -> bool:
    return int(hashlib.sha256(query.encode()).hexdigest(), 16) % HELD_OUT[name] == 0


def every_list(work: Path) -> dict[str, Path]:
    """The lists of each kind of query, as a file."""
    asked, found = cloze(work), {}
    drawn = random.Random(7)
    drawn.shuffle(asked["sentences"].copy())  # the weights that ship were drawn after this
    asked["sentences"] = asked["sentences"][:N_SENTENCE_QUERIES]
    for kind, draw in (("titles", drawn), ("sentences", random.Random(8))):
        place = index(work, kind, work / f"{kind}.jsonl", max_tokens=SHORT)
        found[kind] = lists(place, asked[kind], work / f"{kind}-lists.jsonl", draw)
    draw = random.Random(9)
    for name in HELD_OUT:
        place = index(work, name, DATA / name)
        found[name] = lists(place, judged_queries(name), work / f"{name}-lists.jsonl", draw)
    return found


def sample(path: Path, out: Path, n: int, seed: int) -> Path:
    """n whole lists of a file."""
    if not out.exists():
        by_query: dict[str, list[dict[str, object]]] = {}
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            by_query.setdefault(row["query"], []).append(row)
        chosen = random.Random(seed).sample(sorted(by_query), n)
        write(out, [row for query in chosen for row in by_query[query]])
    return out


def first_rows(path: Path, out: Path, n: int) -> Path:
    if not out.exists():
        write(out, [json.loads(line) for line in path.read_text("utf-8").splitlines()[:n]])
    return out


def trained(work: Path, name: str, data: Sequence[Path], **settings: Any) -> Path:  # noqa: ANN401
    """One training, gone on with where it was interrupted."""
    recipe = replace(named("house-small"), name=name, **settings)
    columns = {"first": "first"} if "first_weight" in recipe.loss_args else {}
    examples = read_examples(
        [str(path) for path in data], "labelled", columns=columns, cache=work / "cache"
    )
    out = work / name
    if not (out / "config.json").exists():
        train(recipe, examples, None, out, resume=(out / "training").exists())
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    work: Path = given.work
    work.mkdir(parents=True, exist_ok=True)
    found = every_list(work)
    plain = {"temperature": 0.1}
    few = first_rows(found["titles"], work / "titles-first.jsonl", 14_400)
    fresh = {"base": "minilm", "layers": (0, 1), "head_learning_rate": 1e-3}
    titles = trained(
        work, "titles", [few], loss_args=plain, learning_rate=3e-4, warmup_ratio=0.06, **fresh
    )
    both = trained(
        work, "abstracts", [found["titles"], found["sentences"]], base=str(titles), layers=(),
        loss_args=plain, learning_rate=3e-4, head_learning_rate=3e-4,
    )  # fmt: skip
    some = [
        sample(found[kind], work / f"{kind}-some.jsonl", n, seed=1)
        for kind, n in (("sentences", 5_000), ("titles", 1_500))
    ]
    last = [found["scisumm_citance"], found["pubmedqa"], *some]
    whole = trained(work, "house-small", last, base=str(both), layers=(), samples=False)
    write_serving(whole, SERVING)
    card = whole / "README.md"
    card.write_text(dressed(card.read_text("utf-8")), "utf-8")
    settings = whole / "config_sentence_transformers.json"  # plain scores are logits: ranks
    said = json.loads(settings.read_text("utf-8")) | {"activation_fn": _IDENTITY}  # stay apart
    settings.write_text(json.dumps(said, indent=4), "utf-8")
    if not (work / "delta").exists():
        write_delta(whole, work / "delta")
        for step in (titles, both):
            log = step / "training" / "log.jsonl"
            shutil.copy(log, work / "delta" / "training" / f"log-{step.name}.jsonl")
    print(f"{work / 'delta'} is what ships as searchkit/models/house/house-small")


def dressed(card: str) -> str:
    """The card with its licence, its data and how it is meant to be used."""
    if _FRONT in card:
        return card
    card = card.replace("---\n", "---\n" + _FRONT, 1)
    return card.replace("## Limits\n", _USE + "## Limits\n", 1)


if __name__ == "__main__":
    main()
