from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.errors import ConfigError, ModelError
from searchkit.models.names import (
    PLAIN,
    SEPARATED,
    aliases,
    available,
    packaged_folder,
    render,
    resolve,
)
from searchkit.types import Doc


def doc(title, text):
    return Doc("d", title, text)


def test_the_default_encoder_comes_first_and_is_packaged():
    first = aliases()[0]
    assert (first.alias, first.family, available(first)) == ("minilm", "bi-encoder", "packaged")
    assert (packaged_folder(first.package) / "model.safetensors").is_file()


def test_no_alias_occurs_twice():
    names = [spec.alias for spec in aliases()]
    assert len(set(names)) == len(names)


def test_every_alias_and_its_hub_name_resolve_to_the_same_model():
    for spec in aliases():
        assert resolve(spec.alias, spec.family) == spec
        assert spec.hub is None or resolve(spec.hub, spec.family) == spec


def test_a_folder_resolves_to_a_name_that_works_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "tuned").mkdir()
    monkeypatch.chdir(tmp_path)
    spec = resolve("tuned", "bi-encoder")
    monkeypatch.chdir("/")
    assert resolve(spec.name, "bi-encoder") == spec
    assert available(spec) == "folder"


def test_an_alias_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "minilm").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve("minilm", "bi-encoder").package
    assert resolve("./minilm", "bi-encoder").folder == Path.cwd() / "minilm"


def test_a_hub_name_that_was_never_fetched_needs_a_download():
    spec = resolve("owner-of-nothing/no-model.v1", "cross-encoder")
    assert spec.hub == "owner-of-nothing/no-model.v1"
    assert available(spec) == "needs a download"


@pytest.mark.parametrize(
    ("name", "family", "cure"),
    [
        ("spectre2", "bi-encoder", "Did you mean specter2?"),
        ("minilm-cee", "cross-encoder", "Did you mean minilm-ce?"),
        ("a/b/c", "bi-encoder", "searchkit models"),
        ("", "bi-encoder", "searchkit models"),
        ("tinybert", "bi-encoder", "--reranker"),
        ("minilm", "cross-encoder", "--encoder"),
    ],
)
def test_a_name_that_is_no_model_says_what_to_do(name, family, cure):
    with pytest.raises(ModelError, match=r"^[^\n]+$") as caught:
        resolve(name, family)
    assert cure in str(caught.value)


@pytest.mark.parametrize(
    ("template", "title", "text", "passage"),
    [
        (PLAIN, "Dust", "It scatters.", "Dust It scatters."),
        (PLAIN, "", "It scatters.", "It scatters."),
        (PLAIN, "Dust", "  ", "Dust"),
        (PLAIN, "", "", ""),
        (SEPARATED, "Dust", "It scatters.", "Dust </s> It scatters."),
        (SEPARATED, "Dust", "", "Dust"),
        (SEPARATED, "", "It scatters.", "It scatters."),
        (SEPARATED, "{text}", "[SEP] {title}", "{text} </s> [SEP] {title}"),
        ("passage: {title}. {text}", "", "It scatters.", "passage: It scatters."),
        ("{text}", "Dust", "It scatters.", "It scatters."),
        ("{text} ({title})", "Dust", "It scatters.", "It scatters. (Dust)"),
    ],
)
def test_a_passage_follows_its_template(template, title, text, passage):
    assert render(template, doc(title, text), "</s>") == passage


@pytest.mark.parametrize("template", ["", "title text", "{text} {text}"])
def test_a_template_without_fields_is_refused(template):
    with pytest.raises(ConfigError, match="template"):
        render(template, doc("Dust", "It scatters."))


@given(st.text(), st.text())
def test_no_field_is_lost_in_a_passage(title, text):
    passage = render(SEPARATED, doc(title, text), "[SEP]")
    assert passage.startswith(title.strip())
    assert passage.endswith(text.strip())
