"""Stored tokens save time and change no bit; nothing needs them."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from cli_sample import invoke, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from index_states import every_byte
from segment_samples import cut_down, docs_of, drafts, segments_of
from tiny_models import WORDS, save_cross_encoder

import searchkit
from searchkit.errors import ConfigError, DamagedIndex, FormatError
from searchkit.index import disk
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import ChangeConfig, change_index, delete_rows
from searchkit.index.compact import compact
from searchkit.index.content import content
from searchkit.index.docs import DocStore
from searchkit.index.generation import FileStamp, commit, read
from searchkit.index.index import Index
from searchkit.index.merge import merge
from searchkit.index.repair import repair
from searchkit.index.tokens import merge_tokens, open_tokens, token_part, write_tokens
from searchkit.index.tokens_change import add_tokens, drop_tokens
from searchkit.index.verify import faults
from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.rerank import raw_scores, rerank
from searchkit.types import Doc, Ranking

TERMS = WORDS.split()
DOCS = [
    Doc(f"d{n}", f"{TERMS[n % 7]} {TERMS[n % 11]}", " ".join(TERMS[n % 9 : n % 9 + n % 13] * 4))
    for n in range(30)
]
# Longer than any limit, without a word, of signs that are words of their own, or of none at all.
ODD = [
    "",
    " ",
    "star-dust,42",
    "\x00\x1f",
    "漢字 Λ",
    "zzz" * 50,
    "[SEP] [CLS]",
    "\n star\t",
    "é\u0301",
]
bodies = st.lists(st.sampled_from([*TERMS, *ODD]), max_size=90).map(" ".join)
titles = st.lists(st.sampled_from([*TERMS, *ODD]), max_size=4).map(" ".join)
papers = st.lists(st.tuples(titles, bodies), min_size=4, max_size=12)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_cross_encoder(tmp_path_factory.mktemp("model") / "reranker")


@pytest.fixture(scope="module")
def scorers(model):
    """As the folder says, one that reads less of a pair, and one with a template of its own."""
    kinds = [{}, {"max_tokens": 20}, {"template": "{title} [SEP] {text}"}]
    return [open_cross_encoder(str(model), options=CrossEncoderOptions(**kind)) for kind in kinds]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens") / "x"
    build_index(folder, DOCS, BuildConfig(segment_docs=12))
    return folder


@pytest.fixture
def index(built, tmp_path):
    return shutil.copytree(built, tmp_path / "x")


class Unread:
    """The tokens of an index without its documents: whoever asks for a text fails."""

    def __init__(self, index):
        self.tokens = index.tokens


def whole(index):
    return Ranking.top(np.arange(index.n_rows), np.zeros(index.n_rows, np.float32), index.n_rows)


def kinds_of(segment):
    return [part.kind for part in segment.parts]


histories = st.fixed_dictionaries(
    {
        "before": papers,
        "later": papers,
        "gone": st.sets(st.integers(0, 7), max_size=2),
        "pair": st.sampled_from([(0, 0), (0, 1), (1, 1), (2, 2)]),  # who wrote, who reads
        "query": bodies,
    }
)


@settings(max_examples=12, deadline=None)
@given(histories)
def test_scores_are_the_same_bits_with_stored_tokens(scorers, tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("x") / "x"
    writer, scorer = (scorers[n] for n in drawn["pair"])
    docs = docs_of((*paper, {}) for paper in [*drawn["before"], *drawn["later"]])
    n_before = len(drawn["before"])
    build_index(path, docs[:n_before], BuildConfig(segment_docs=5))
    add_tokens(path, writer)
    change_index(path, docs[n_before:], ChangeConfig())
    if drawn["gone"]:
        delete_rows(path, lambda opened: np.array(sorted(drawn["gone"])))
    with Index.open(path) as opened:
        held = opened.tokens(scorer.reading)
        stored = [held(row) is not None for row in range(len(docs))]
        assert stored == [row < n_before for row in range(len(docs))]
        found = raw_scores(drawn["query"], whole(opened), scorer, opened)
        assert found.tobytes() == raw_scores(drawn["query"], whole(opened), scorer, docs).tobytes()


@given(bodies, bodies)
def test_stored_tokens_are_a_head_of_all_tokens(scorers, title, text):
    for scorer in scorers:
        [tokens] = scorer.stored_tokens([Doc("", title, text)])
        passage = scorer.passage("", Doc("", title, text))
        whole = scorer.core.encode(passage, add_special_tokens=False).ids
        assert tokens == whole[: scorer.reading.limit]


def test_documents_are_not_read_where_their_tokens_are_stored(scorers, index):
    with Index.open(index) as opened:
        wanted = raw_scores("star dust", whole(opened), scorers[0], opened)
        with pytest.raises(TypeError):
            raw_scores("star dust", whole(opened), scorers[0], Unread(opened))
    add_tokens(index, scorers[0])
    with Index.open(index) as opened:
        for scorer in scorers[:2]:  # the part that was cut later serves who reads less
            found = raw_scores("star dust", whole(opened), scorer, Unread(opened))
        assert raw_scores("star dust", whole(opened), scorers[0], Unread(opened)).tolist() == (
            wanted.tolist()
        )
        assert found.tolist() != wanted.tolist()
        with pytest.raises(TypeError):  # of another template
            raw_scores("star dust", whole(opened), scorers[2], Unread(opened))


def test_a_part_that_was_cut_earlier_does_not_serve_who_reads_more(scorers, index):
    add_tokens(index, scorers[1])
    assert token_part(read(index).segments[0], scorers[0].reading) is None
    fresh = add_tokens(index, scorers[0])
    limits = [part.config["limit"] for part in fresh.segments[0].parts if part.kind == "tokens"]
    assert limits == [61]  # in its place, for the name is the same


def test_no_fingerprint_of_an_index_depends_on_its_tokens(scorers, index):
    before, bytes_before = read(index), every_byte(index)
    fresh = add_tokens(index, scorers[0])
    assert (fresh.fingerprint, content(fresh)) == (before.fingerprint, content(before))
    assert bytes_before.items() < every_byte(index).items()
    again = drop_tokens(index, scorers[0].name)
    assert again.segments == before.segments
    assert every_byte(index) == bytes_before


def test_only_what_is_missing_is_tokenised(scorers, index):
    first = add_tokens(index, scorers[0])
    phases = []
    watch = lambda phase: [phases.append(phase), lambda done, total: None][1]  # noqa: E731
    assert add_tokens(index, scorers[0], watch=watch) == first
    assert add_tokens(index, scorers[1], watch=watch) == first
    change_index(index, [Doc("later", "", "star")], ChangeConfig())
    assert kinds_of(read(index).segments[-1]) == ["postings"]
    fresh = add_tokens(index, scorers[0], watch=watch)
    assert fresh.segments[:3] == first.segments
    assert (phases, kinds_of(fresh.segments[-1])) == (["tokenise"], ["postings", "tokens"])
    assert fresh.segments[-1].part("tokens").stats == {"n_tokens": 1, "n_at_limit": 0}


def test_what_depends_on_the_query_is_refused(model, index):
    options = CrossEncoderOptions(window="focus")
    scorer = open_cross_encoder(str(model), options=options)
    assert scorer.reading is None
    with pytest.raises(ConfigError, match="stored tokens would not be used"):
        add_tokens(index, scorer)
    with pytest.raises(ValueError, match="depends on the query"):
        scorer.stored_tokens(DOCS)
    assert read(index).number == 1
    with Index.open(index) as opened:  # and is scored as ever
        assert len(rerank(["star"], [whole(opened)], scorer, opened)[0]) == 30


merges = given(papers, st.lists(st.integers(1, 4), max_size=4), st.data())


@settings(max_examples=20, deadline=None)
@merges
def test_merged_tokens_are_those_of_the_merged_documents(scorers, papers, sizes, data):
    scorer = scorers[1]
    limit = scorer.reading.limit
    with drafts() as made:

        def written(segment):
            folder = made.folder("t")
            docs = DocStore(made.index / segment.folder)
            silent = {"progress": lambda *_: None}
            return folder, write_tokens(folder, docs, scorer=scorer, limit=limit, **silent)

        segments = segments_of(made, docs_of(papers), sizes)
        alive = data.draw(st.lists(st.booleans(), min_size=len(papers), max_size=len(papers)))
        alive[-1] = True
        [merged] = [merge(made, cut_down(made, segments, alive))]
        ends = np.cumsum([segment.n_docs for segment in segments])[:-1]
        parts = [open_tokens(written(segment)[0]) for segment in segments]
        out, (wanted, stats) = made.folder("m"), written(merged)
        kept = list(zip(parts, np.split(np.array(alive), ends), strict=True))
        assert merge_tokens(out, kept, limit=limit) == stats
        for name in ("starts.npy", "ids.npy"):
            assert (out / name).read_bytes() == (wanted / name).read_bytes()


def test_compaction_keeps_tokens_that_all_segments_have(scorers, index):
    add_tokens(index, scorers[0])
    delete_rows(index, lambda opened: np.array([1, 14]))
    compacted = compact(index, all=True)
    assert [kinds_of(segment) for segment in compacted.segments] == [["postings", "tokens"]]
    assert add_tokens(index, scorers[0]) == compacted
    change_index(index, [Doc("later", "", "star")], ChangeConfig())
    [segment] = compact(index, all=True).segments
    assert kinds_of(segment) == ["postings"]


@pytest.mark.parametrize("file", ["starts.npy", "ids.npy"])
def test_damaged_tokens_are_named_and_let_go(scorers, index, file):
    before = read(index).segments
    part = add_tokens(index, scorers[0]).segments[1].part("tokens")
    path = index / part.folder / file
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(DamagedIndex):
        Index.open(index)
    [planned] = repair(index, dry_run=True).mended
    mended = repair(index)
    assert (mended.mended, mended.lost) == ((planned,), ())
    assert f"{part.folder}/{file}" in planned.sentence
    assert f"`searchkit tokens add` makes the tokens of {scorers[0].name} again" in planned.how
    assert mended.generation.segments[1] == before[1]
    assert kinds_of(mended.generation.segments[2]) == ["postings", "tokens"]
    assert not list(faults(index, mended.generation, full=True))


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ({"stats": {"n_tokens": 7, "n_at_limit": 0}}, "other numbers of tokens"),
        ({"limit": 3}, "tokens lie nowhere"),
        ({"starts": [0, 2, 1, *[3] * 10], "ids": [1, 2, 3]}, "tokens lie nowhere"),
        ({"starts": [0, 1], "ids": [1, 2, 3]}, "cannot be opened"),
        ({"starts": [0, 1], "ids": [1]}, "tokens of 1 documents"),
    ],
)
def test_tokens_that_do_not_fit_their_segment_are_found(scorers, index, *, written, wrong):
    live = add_tokens(index, scorers[0])
    first, *rest = live.segments
    part = first.part("tokens")
    config = part.config | {key: written[key] for key in ("limit",) if key in written}
    other = replace(part, hash="0" * 64, config=config, stats=written.get("stats", part.stats))
    folder, stamps = shutil.copytree(index / part.folder, index / other.folder), dict(part.files)
    for name, dtype in (("starts", "i8"), ("ids", "u2")):
        if name in written:
            path = folder / f"{name}.npy"
            np.save(path, np.array(written[name], dtype))
            stamps[path.name] = FileStamp(disk.sha256(path), path.stat().st_size)
    parts = (*first.parts[:-1], replace(other, files=stamps))
    segments = (replace(first, parts=parts), *rest)
    commit(index, replace(live, number=live.number + 1, segments=segments))
    [fault] = faults(index, read(index), full=True)
    assert wrong in fault.wrong


def test_the_command_adds_and_drops(model, index):
    added = invoke("tokens", "add", index, model, "--keep", 1)
    assert added.exit_code == 0, added.stderr
    assert "tokens of 30 documents" in added.stderr
    assert "Nothing was committed" in invoke("tokens", "add", index, model).stderr
    assert '"tokens":' in invoke("info", index, "--json").stdout
    assert read(index).keep == 1
    with searchkit.open(index, reranker=str(model)) as searcher:
        found = searcher.rank(["star dust", "cell"], k=9, stage="reranked")
    assert invoke("tokens", "drop", index, model).exit_code == 0
    with searchkit.open(index, reranker=str(model)) as searcher:
        assert searcher.rank(["star dust", "cell"], k=9, stage="reranked") == found
    assert "It has none" in refused("tokens", "drop", index, model)
    assert "has no effect" in refused("tokens", "drop", index, model, "--trust-remote-code")
    assert "would not be used" in refused("tokens", "add", index, "house-small")
    assert "no index here" in refused("tokens", "add", index / "nowhere", model)
    with pytest.raises(FormatError):
        drop_tokens(index / "nowhere", "minilm-ce")
