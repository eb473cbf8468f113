"""Random histories of an index, and the question whether it ranks like a fresh build."""

import json

import numpy as np

from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import ChangeConfig, change_index, delete_rows
from searchkit.index.compact import compact
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.index import Index
from searchkit.index.sorter import SYNC, Rule
from searchkit.index.vectors import VectorConfig
from searchkit.models.fakes import HashEncoder
from searchkit.retrieve.bm25 import BM25Retriever, lexical_parts
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.retrieve.dense import DenseRetriever, dense_parts
from searchkit.retrieve.filters import parse
from searchkit.types import Doc

ENCODER = HashEncoder(dim=16, max_tokens=6)
WORDS = [f"w{letter}" for letter in "abcdefghijklmnop"]
QUERIES = ["wa wb", "wc", "wa wa wd we wz", "wf wg wh wi wj wk wl", "unseen", "wp w0 w1 w2"]
FILTERS = [None, "year >= 2010", "venue = 'va' or year < 2000"]
PARAMS = [BM25Params(), BM25Params(variant="okapi"), BM25Params(variant="plus", b=0.3)]
FIELDS = BM25Params(variant="l", title_weight=2.5, text_weight=0.5)


def dense(passages="document"):
    return [DenseChoice(ENCODER, VectorConfig(passages=passages))]


class History:
    """An index that changes at random, and what it should hold."""

    def __init__(self, path, seed, *, n_docs=30, passages="document"):
        self.path, self.rng, self.passages = path, np.random.default_rng(seed), passages
        self.docs, self.n = {}, 0
        fresh = [self.doc() for _ in range(n_docs)]
        build_index(path, fresh, self.config)
        self.docs = {doc.id: doc for doc in fresh}

    @property
    def config(self):
        return BuildConfig(analyzer="plain", dense=dense(self.passages))

    def doc(self, id_=None):
        rng = self.rng
        if id_ is None:
            id_, self.n = f"d{self.n}", self.n + 1
        words = [*WORDS, f"w{rng.integers(5)}"]
        text = ". ".join(" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(3))
        meta = {}
        if rng.random() < 0.7:
            meta["year"] = int(rng.integers(1990, 2026))
        if rng.random() < 0.3:
            meta["venue"] = str(rng.choice(["va", "vb"]))
        if rng.random() < 0.05:
            meta["odd"] = [1.5, "text", 7][rng.integers(3)]
        return Doc(id_, " ".join(rng.choice(words, rng.integers(1, 4))), text, meta)

    def step(self):
        """One random change; its name."""
        name = str(self.rng.choice(["add", "update", "delete", "sync", "replace", "merge"]))
        getattr(self, name)()
        return name

    def some(self, share):
        return [id_ for id_ in self.docs if self.rng.random() < share]

    def feed(self, docs, rule, **options):
        config = ChangeConfig(rule=rule, dense=lambda live: dense(self.passages), **options)
        return change_index(self.path, docs, config)

    def add(self):
        fresh = [self.doc() for _ in range(self.rng.integers(1, 8))]
        self.feed(fresh, Rule())
        self.docs |= {doc.id: doc for doc in fresh}

    def update(self):
        """Known documents: some change, some only their metadata, some not at all."""
        changed = [self.variant(self.docs[id_]) for id_ in self.some(0.2)]
        self.feed(changed, Rule(existing="replace", missing="refuse"))
        self.move(changed)

    def replace(self):
        """Known and new documents together, an id that was deleted before among them."""
        gone = [f"d{n}" for n in range(self.n) if f"d{n}" not in self.docs][:2]
        docs = [self.doc(id_) for id_ in gone] + [
            self.variant(self.docs[i]) for i in self.some(0.1)
        ]
        self.feed(docs, Rule(existing="replace"))
        self.move(docs)

    def delete(self):
        ids = self.some(0.15)[: len(self.docs) - 1]
        delete_rows(self.path, lambda index: np.array([index.row(id_) for id_ in ids], np.int64))
        for id_ in ids:
            del self.docs[id_]

    def sync(self):
        kept = [self.variant(doc) for doc in self.docs.values() if self.rng.random() < 0.85]
        corpus = [*kept, *(self.doc() for _ in range(1 + self.rng.integers(4)))]
        self.rng.shuffle(corpus)
        self.feed(corpus, SYNC)
        self.docs = {i: doc for i, doc in self.docs.items() if i in {doc.id for doc in corpus}}
        self.move(corpus)

    def merge(self):
        """As few segments as can be, or what is due."""
        compact(self.path, all=bool(self.rng.random() < 0.5))

    def variant(self, doc):
        kind = self.rng.random()
        if kind < 0.4:
            return doc
        if kind < 0.6:
            return Doc(doc.id, doc.title, doc.text, {"year": int(self.rng.integers(1990, 2026))})
        return self.doc(doc.id)

    def move(self, docs):
        """What is written comes last; what is as before stays where it is."""
        for doc in docs:
            known = self.docs.get(doc.id)
            if known != doc or known.meta != doc.meta:  # equality of documents leaves meta out
                self.docs.pop(doc.id, None)
                self.docs[doc.id] = doc


def check(path, docs, config, fresh):
    """The index at `path` holds these documents in their order and ranks like a build of them."""
    with Index.open(path) as index:
        held = list(index)
    assert [doc.id for doc in held] == list(docs)
    assert [(d.title, d.text) for d in held] == [(d.title, d.text) for d in docs.values()]
    build_index(fresh, held, config)
    with Index.open(path) as index, Index.open(fresh) as built:
        assert {*index.table.schema} == {*built.table.schema}
        assert answers(index) == answers(built)


def answers(index):
    """Every ranking of every retriever, filter and parameter, with ids and exact scores."""
    found, columns = {}, {*index.table.column_names}
    for where in FILTERS:
        if where and not columns >= {"year", "venue"}:
            continue
        mask = parse(where).mask(index.table) if where else None
        for params in (*PARAMS, FIELDS):
            for engine in ("numpy", "kernel"):
                retriever = BM25Retriever(
                    lexical_parts(index), analyzer=index.analyzer, params=params, engine=engine
                )
                rankings = retriever.retrieve(QUERIES, 7, mask)
                found[str((where, params, engine))] = named(index, rankings)
        if index.generation.encoders:
            parts = dense_parts(index, index.generation.encoders[0]["name"])
            rankings = DenseRetriever(ENCODER, parts).retrieve(QUERIES, 7, mask)
            found[str((where, "dense"))] = named(index, rankings)
    return json.dumps(found, indent=1)


def named(index, rankings):
    return [
        list(zip(index.ids(ranking.rows), ranking.scores.tolist(), strict=True))
        for ranking in rankings
    ]
