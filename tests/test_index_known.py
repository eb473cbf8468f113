"""What an index has encoded is found again, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.encode import GRID
from searchkit.index.generation import FileStamp, Generation, Part, Segment
from searchkit.index.known import Known
from searchkit.index.vector_writer import write_vectors
from searchkit.index.vectors import VectorConfig, digests_of, open_vectors
from searchkit.models.fakes import HashEncoder
from searchkit.types import Doc

ENCODER = HashEncoder(dim=8, max_tokens=6)
SPACE = (ENCODER.fingerprint, "float32")
PARTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=9), max_size=3)


def write(folder, docs, known, *, mode="document", dtype="float32"):
    folder.mkdir(parents=True)
    shards = folder.parent / "shards"
    shards.mkdir(exist_ok=True)
    return write_vectors(
        folder,
        docs,
        encoder=ENCODER,
        config=VectorConfig(passages=mode, dtype=dtype),
        shards_dir=shards,
        known=known,
        n_docs=0,
        progress=lambda done, total: None,
    )


def part(name, *, fingerprint=ENCODER.fingerprint, dtype="float32"):
    config = {"encoder": "hash", "fingerprint": fingerprint, "dtype": dtype}
    return Part("vectors", name, config, {"digests.npy": FileStamp("", 0)})


@given(parts=PARTS, wanted=st.lists(st.sampled_from("abcdefghijk"), max_size=12))
def test_a_text_is_found_where_any_part_holds_it(tmp_path_factory, parts, wanted):
    index, known = tmp_path_factory.mktemp("index"), None
    known = Known(index)
    for n, texts in enumerate(parts):
        docs = [Doc(str(i), "", text) for i, text in enumerate(texts)]
        write(index / "parts" / "vectors" / str(n), docs, Known(index))
        known.learn(part(str(n)))
    found = {}
    for some in known.find(*SPACE, digests_of(wanted)):
        for at, vector, n in zip(some.at, some.shard.vectors, some.shard.n_tokens, strict=True):
            assert at not in found
            found[at] = (vector.tolist(), n)
    held = {text for texts in parts for text in texts}
    assert found == {
        at: (ENCODER.encode_docs([text])[0].tolist(), 1)
        for at, text in enumerate(wanted)
        if text in held
    }


def test_only_vectors_of_the_same_encoder_and_type_count(tmp_path):
    folder = tmp_path / "parts" / "vectors" / "x"
    write(folder, [Doc("1", "", "a")], Known(tmp_path))
    digests = digests_of(["a"])
    for other, n_found in (
        (part("x"), 1),
        (part("x", fingerprint="another"), 0),
        (part("x", dtype="float16"), 0),
        (replace(part("x"), files={}), 0),  # of format 1
        (replace(part("x"), kind="ann"), 0),
    ):
        of = Generation(1, (Segment("s", 1, {}, (other,)),))
        assert len(Known.of(tmp_path, of).find(*SPACE, digests)) == n_found


def test_a_vector_that_is_no_number_is_encoded_again(tmp_path):
    folder = tmp_path / "parts" / "vectors" / "x"
    docs = [Doc("1", "", "a"), Doc("2", "", "b")]
    write(folder, docs, Known(tmp_path))
    vectors = np.load(folder / "vectors.npy")
    vectors[0, 3] = np.nan
    np.save(folder / "vectors.npy", vectors)
    known = Known(tmp_path)
    known.learn(part("x"))
    [found] = known.find(*SPACE, digests_of(["a", "b"]))
    assert found.at.tolist() == [1]


@pytest.mark.parametrize("mode", ["document", "sentence", "window"])
def test_a_change_of_metadata_or_order_encodes_nothing(tmp_path, mode):
    docs = [
        Doc(str(n), f"Paper {n}", f"Dust is {n}. It reddens {n % 7} stars now.", {"year": n})
        for n in range(GRID + 30)
    ]
    folder = tmp_path / "parts" / "vectors" / "x"
    first = write(folder, docs, Known(tmp_path), mode=mode)
    known = Known(tmp_path)
    known.learn(part("x"))
    changed = [replace(doc, id=f"new {doc.id}", meta={"year": 0, "cited": 7}) for doc in docs[::-1]]
    again = write(tmp_path / "again", changed, known, mode=mode)
    assert (first.n_encoded, first.n_from_index) == (len({*map(bytes, digests(folder))}), 0)
    assert (again.n_encoded, again.n_from_index) == (0, first.n_encoded)
    assert again.n_tokens == first.n_tokens
    old, new = open_vectors(folder), open_vectors(tmp_path / "again")
    assert new.beyond.tolist() == old.beyond.tolist()[::-1]
    order = old.ids_of(np.arange(len(docs))[::-1])
    for name in ("vectors", "digests", "n_tokens"):
        assert np.array_equal(getattr(new, name), getattr(old, name)[order])


def digests(folder):
    return np.load(folder / "digests.npy")
