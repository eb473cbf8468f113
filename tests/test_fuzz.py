"""Input that is nearly right ends in hits or in one sentence, never in a traceback."""

from contextlib import suppress
from random import Random

import fuzz
import pytest
from cli_sample import invoke

import searchkit
from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.errors import SearchkitError
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import ChangeConfig, change_index
from searchkit.index.sorter import SYNC
from searchkit.search.verify import verify

MANY = 12_000  # a third of them corpora, a third filters, a third queries


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / "c.jsonl"
    path.write_bytes(fuzz.CORPORA["c.jsonl"])
    build_index(folder / "x", docs_of(path, on_error="stop"), BuildConfig())
    return folder / "x"


def docs_of(path, **options):
    return list(read_docs([str(path)], ReadOptions(**options), ledger=ReadLedger()))


def sentence(*arguments):
    """Exit status 0, 1 or 2 of a command, whose words are no defect and no traceback."""
    done = invoke(*arguments)
    assert done.exit_code in (0, 1, 2), (arguments, done.exception, done.output)
    assert done.exception is None or isinstance(done.exception, SystemExit), arguments
    assert "a defect of searchkit" not in done.output, (arguments, done.output)
    assert "Traceback" not in done.output, arguments


def try_corpora(folder, n, seed):
    """Read them; one in forty becomes an index, is searched, and is synced with another."""
    random, docs = Random(seed), []
    for turn in range(n):
        name, content = fuzz.corpus(random)
        path = folder / name
        path.write_bytes(content)
        on_error, fix_text = random.choice(("stop", "skip")), random.random() < 0.3
        with suppress(SearchkitError):
            docs = docs_of(path, on_error=on_error, fix_text=fix_text)
        if turn % 40 == 0 and docs:
            with suppress(SearchkitError):
                change(folder / f"x{turn}", docs, random)
        if turn % 100 == 50:
            sentence("index", path, "--out", folder / f"y{turn}", "--lexical-only")


def change(index, docs, random):
    build_index(index, docs, BuildConfig(segment_docs=2))
    with searchkit.open(index, reranker=None) as searcher:
        searcher.search(fuzz.query(random))
    with suppress(SearchkitError):
        change_index(index, docs[1:], ChangeConfig(rule=SYNC))
    assert verify(index, full=True).is_sound


def try_filters(index, n, seed):
    random = Random(seed)
    with searchkit.open(index, reranker=None) as searcher:
        for turn in range(n):
            where = fuzz.filter_text(random)
            with suppress(SearchkitError):
                searcher.search("bones", where=where)
            if turn % 40 == 0:
                sentence("search", index, "bones", "--where", where, "--bm25", random_pair(random))


def try_queries(index, n, seed):
    random = Random(seed)
    with searchkit.open(index, reranker=None) as searcher:
        for turn in range(n):
            query = fuzz.query(random)
            with suppress(SearchkitError):
                k = random.choice((1, 10, 1000, 0))
                searcher.search(query, k, explain=random.random() < 0.2)
            if turn % 20 == 0:
                with suppress(SearchkitError):
                    searcher.why_not(query, random.choice(("a", "nowhere", "")))
            if turn % 40 == 0:
                sentence("search", index, query, "-k", random.choice((1, 0, -1, 10**9)))
            if turn % 200 == 7:
                sentence("why-not", index, query, random.choice(("a", "\x00", "é", query)))
                sentence("delete", index, query, "--dry-run")


def random_pair(random):
    return ",".join(random.choices(fuzz.PAIRS, k=random.randint(1, 2)))


@pytest.mark.parametrize("seed", [1])
def test_input_that_is_nearly_right_is_read_or_refused(index, tmp_path, seed):
    n = MANY // 30
    try_corpora(tmp_path, n, seed)
    try_filters(index, n, seed)
    try_queries(index, n, seed)


@pytest.mark.soak
def test_much_input_that_is_nearly_right_is_read_or_refused(index, tmp_path):
    n = MANY // 3
    try_corpora(tmp_path, n, seed=2)
    try_filters(index, n, seed=3)
    try_queries(index, n, seed=4)
    print(f"\n{3 * n:,} corpora, filters and queries: no traceback")  # noqa: T201
