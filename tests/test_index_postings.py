from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.errors import DamagedIndex
from searchkit.index.invert import PostingsBuilder, cut_batch
from searchkit.index.postings import open_postings
from searchkit.index.terms import TermTable

PLAIN = TextAnalyzer.named("plain")
texts = st.lists(st.sampled_from("ab abc abcdefgh abcdefghi abcdefghj é zz".split()), max_size=9)
docs = st.lists(st.tuples(texts, texts), max_size=20)


def build(papers, folder: Path, *, batch: int):
    builder = PostingsBuilder(PLAIN)
    for start in range(0, len(papers), batch):
        columns = zip(*papers[start : start + batch], strict=True)
        fields = [pa.array([" ".join(t) for t in c], type=pa.large_string()) for c in columns]
        builder.add(cut_batch(*fields))
    folder.mkdir()
    builder.finish(folder)
    return open_postings(folder)


@settings(deadline=None, max_examples=50)
@given(docs, st.integers(1, 8))
def test_postings_hold_what_the_documents_hold(papers, batch):
    with TemporaryDirectory() as folder:
        postings = build(papers, Path(folder) / "p", batch=batch)
        names = postings.terms.texts.to_pylist()
        plain = [(PLAIN.terms(" ".join(a)), PLAIN.terms(" ".join(b))) for a, b in papers]
        assert names == sorted({w for a, b in plain for w in a + b})
        expected = [
            (name, row, (a + b).count(name), a.count(name))
            for name in names
            for row, (a, b) in enumerate(plain)
            if name in a + b
        ]
        owner = np.repeat(np.arange(len(names)), np.diff(postings.starts))
        counts, title_counts = postings.exact_counts(slice(0, len(owner)))
        found = zip(owner, postings.rows, counts, title_counts, strict=True)
        assert [(names[t], int(r), int(c), int(tc)) for t, r, c, tc in found] == expected
        assert postings.lengths.T.tolist() == [[len(a), len(b)] for a, b in plain]
        for row, (a, b) in enumerate(plain):
            held = postings.doc_terms[postings.doc_starts[row] : postings.doc_starts[row + 1]]
            assert [names[t] for t in held] == sorted(Counter(a + b))


@settings(deadline=None, max_examples=25)
@given(docs, st.integers(1, 8), st.integers(1, 8))
def test_bytes_do_not_depend_on_the_batches(papers, first, second):
    with TemporaryDirectory() as folder:
        places = [Path(folder) / name for name in ("a", "b")]
        for place, batch in zip(places, (first, second), strict=True):
            build(papers, place, batch=batch)
        for path in places[0].iterdir():
            assert path.read_bytes() == (places[1] / path.name).read_bytes(), path.name


@settings(deadline=None)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)))
def test_every_term_is_found_and_no_other(names):
    terms = sorted(names, key=str.encode)
    with TemporaryDirectory() as folder:
        TermTable.write(Path(folder), terms)
        table = TermTable.open(Path(folder))
        assert table.find(terms).tolist() == list(range(len(terms)))
        strangers = [term + "x" for term in terms if term + "x" not in names]
        assert table.find(strangers).tolist() == [-1] * len(strangers)


def test_an_array_that_is_too_short_is_named(tmp_path):
    build([(["ab"], ["zz", "ab"])], tmp_path / "p", batch=1)
    np.save(tmp_path / "p" / "counts.npy", np.zeros(1, np.uint8))
    with pytest.raises(DamagedIndex, match=r"counts\.npy: holds 1 values where 2 belong"):
        open_postings(tmp_path / "p")
    (tmp_path / "p" / "counts.npy").write_bytes(b"not an array")
    with pytest.raises(DamagedIndex, match=r"counts\.npy: is not an array"):
        open_postings(tmp_path / "p")
