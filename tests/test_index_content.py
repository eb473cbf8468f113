import shutil
from dataclasses import replace

import pytest

from searchkit.index.build import BuildConfig, build_index
from searchkit.index.content import content
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.generation import read
from searchkit.index.vectors import VectorConfig
from searchkit.models.fakes import HashEncoder
from searchkit.types import Doc

DOCS = [
    Doc(f"d{n}", f"title {n}", f"a text on subject {n % 3}", {"year": 2000 + n}) for n in range(9)
]


def built(folder, docs=DOCS, **config):
    return build_index(folder, docs, BuildConfig(segment_docs=4, **config))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return built(tmp_path_factory.mktemp("content") / "first")


def test_the_same_documents_are_the_same_content_wherever_and_whenever(first, tmp_path):
    again = built(tmp_path / "again")
    shutil.move(tmp_path / "again", tmp_path / "moved")
    assert content(read(tmp_path / "moved")) == content(again) == content(first)
    later = replace(first, number=7, written="another day", pipeline={"depth": 5})
    assert content(later) == content(first)


@pytest.mark.parametrize(
    "other", [DOCS[:-1], DOCS[::-1], [*DOCS[:-1], replace(DOCS[-1], text="a changed text")]]
)
def test_other_documents_have_another(first, tmp_path, other):
    changed = built(tmp_path / "x", other)
    assert content(changed)["documents"] != content(first)["documents"]


def test_a_changed_year_is_no_change_of_the_postings(first, tmp_path):
    held = content(built(tmp_path / "x", [replace(doc, meta={"year": 1}) for doc in DOCS]))
    assert held["documents"] != content(first)["documents"]
    assert held["postings"] == content(first)["postings"]


def test_vectors_are_content_of_their_own(first, tmp_path):
    held = content(built(tmp_path / "x", dense=[DenseChoice(HashEncoder(), VectorConfig())]))
    assert held.pop("vectors of hash")
    assert held == content(first)
