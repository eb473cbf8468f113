"""What is merged is what a build of the living documents would have written, byte for byte."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segment_samples import cut_down, docs_of, drafts, segments_of

from searchkit.index import merge_postings
from searchkit.index.docs import BATCH_DOCS, DocStore
from searchkit.index.merge import merge
from searchkit.index.vectors import VectorConfig

WORDS = (
    "star stars vitamin D Λ-CDM Kazé naïve of the 7.5 مكتبة 漢字 a-b abcdefghi abcdefghj".split()
)
texts = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
OFTEN = [f"{'zeta ' * n}{'eta ' * m}." for n, m in ((255, 254), (300, 5), (65_535, 1), (70_000, 0))]
bodies = (
    texts | texts | texts | st.lists(texts, max_size=3).map(". A".join) | st.sampled_from(OFTEN)
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    st.lists(st.sampled_from(["a", "b"]), max_size=2),
)
metas = st.dictionaries(st.sampled_from("abc"), values, max_size=3)
papers = st.lists(st.tuples(texts, bodies, metas), min_size=1, max_size=12)
ANALYZERS = ["english", "plain", "arabic"]
CHOICES = [
    (),
    (VectorConfig(),),
    (VectorConfig(passages="sentence", dtype="float32"), VectorConfig()),
]


def stored(made, segments):
    """What `export` would give: the documents as they are stored."""
    return [doc for segment in segments for doc in DocStore(made.index / segment.folder)]


def assert_same_bytes(one, other):
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def assert_as_built(made, merged, fresh_in, fresh):
    """All bytes but those of `seq`, and all that was counted but what an encoder read."""
    folders = [(made.index / merged.folder), (fresh_in.index / fresh.folder)]
    assert (folders[0] / "meta.arrow").read_bytes() == (folders[1] / "meta.arrow").read_bytes()
    one, other = (pa.ipc.open_file(folder / "docs.arrow") for folder in folders)
    assert one.num_record_batches == other.num_record_batches
    for n in range(one.num_record_batches):
        kept, built = (file.get_batch(n).drop_columns(["seq"]) for file in (one, other))
        assert kept.equals(built)
    assert len(merged.parts) == len(fresh.parts)
    for part, built in zip(merged.parts, fresh.parts, strict=True):
        assert (part.kind, part.config) == (built.kind, built.config)
        assert_same_bytes(made.index / part.folder, fresh_in.index / built.folder)
        fed = {"n_encoded", "n_reused"}
        assert {k: v for k, v in part.stats.items() if k not in fed} == {
            k: v for k, v in built.stats.items() if k not in fed
        }


merges = given(
    papers,
    st.lists(st.integers(1, 4), max_size=5),
    st.data(),
    st.fixed_dictionaries(
        {"analyzer": st.sampled_from(ANALYZERS), "vectors": st.sampled_from(CHOICES)}
    ),
)


@settings(max_examples=25)
@merges
def test_a_merge_is_a_build_of_what_lives(rows, sizes, data, shape):
    assert_merged(rows, sizes, data, shape)


@pytest.mark.soak
@settings(max_examples=300)
@merges
def test_many_merges_are_builds_of_what_lives(rows, sizes, data, shape):
    assert_merged(rows, sizes, data, shape)


def assert_merged(rows, sizes, data, shape):
    docs = docs_of(rows)
    alive = data.draw(st.lists(st.booleans(), min_size=len(docs), max_size=len(docs)))
    with drafts() as made, drafts() as fresh_in:
        segments = segments_of(made, docs, sizes, **shape)
        kept = [doc for doc, lives in zip(stored(made, segments), alive, strict=True) if lives]
        merged = merge(made, cut_down(made, segments, alive))
        if not kept:
            assert merged is None
            return
        [fresh] = segments_of(fresh_in, kept, [], **shape)
        assert merged.n_docs == fresh.n_docs == len(kept)
        assert merged.n_deleted == 0
        assert_as_built(made, merged, fresh_in, fresh)
        seqs = DocStore(made.index / merged.folder).seqs.to_pylist()
        assert seqs == [n for n, lives in enumerate(alive) if lives]


@pytest.mark.parametrize("block", [1, 7])
def test_nothing_depends_on_how_much_is_copied_at_a_time(block, monkeypatch):
    docs = docs_of([(f"t{n % 3}", OFTEN[n % 4] if n % 5 else WORDS[n], {}) for n in range(9)])
    alive = [n % 4 != 1 for n in range(9)]
    monkeypatch.setattr(merge_postings, "_BLOCK", block)
    with drafts() as made, drafts() as fresh_in:
        segments = cut_down(made, segments_of(made, docs, [2, 3]), alive)
        [fresh] = segments_of(fresh_in, [d for d, a in zip(docs, alive, strict=True) if a], [])
        assert_as_built(made, merge(made, segments), fresh_in, fresh)


@pytest.mark.parametrize("sizes", [[BATCH_DOCS], [1], [BATCH_DOCS - 1, 2, BATCH_DOCS]])
def test_documents_are_stored_in_whole_batches(sizes):
    docs = docs_of([("", f"w{n % 50}", {"n": n}) for n in range(2 * BATCH_DOCS + 5)])
    alive = [n not in (3, 1200) for n in range(len(docs))]
    with drafts() as made, drafts() as fresh_in:
        segments = cut_down(made, segments_of(made, docs, sizes), alive)
        [fresh] = segments_of(fresh_in, [d for d, a in zip(docs, alive, strict=True) if a], [])
        assert_as_built(made, merge(made, segments), fresh_in, fresh)


def test_segments_without_deleted_rows_merge_into_the_segment_that_was_never_cut():
    docs = docs_of([(WORDS[n % 7], WORDS[n % 5], {"n": n}) for n in range(20)])
    with drafts() as made:
        [whole] = segments_of(made, docs, [])
        merged = merge(made, segments_of(made, docs, [3, 9]))
        assert merged == whole


def test_a_part_that_only_some_segments_have_is_refused():
    docs = docs_of([("a", "b", {})] * 4)
    with drafts() as made:
        one, _ = segments_of(made, docs, [2], vectors=(VectorConfig(),))
        _, other = segments_of(made, docs, [2])
        with pytest.raises(ValueError, match="has no vectors"):
            merge(made, [one, other])
