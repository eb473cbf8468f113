"""Packed forward passes: the same function as the padded ones, whatever lies beside a text."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import save_encoder
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from searchkit.errors import ModelError
from searchkit.models.packed import Shape, fill, frame, shape_of
from searchkit.models.packed_model import pack_cross_encoder, pack_encoder

SIZE = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
    "num_labels": 1,
    "initializer_range": 0.3,  # the usual .02 leaves all scores alike
}
CLASSIFIERS = {
    "bert": (BertForSequenceClassification, BertConfig),
    "electra": (ElectraForSequenceClassification, ElectraConfig),
    "roberta": (RobertaForSequenceClassification, RobertaConfig),
}
SHAPE = Shape(tokens=64, sequences=9, longest=24)


@pytest.fixture(scope="module")
def classifiers():
    torch.manual_seed(5)
    made = {}
    for kind, (model, config) in CLASSIFIERS.items():
        own = {"embedding_size": 16} if kind == "electra" else {}
        own |= {"pad_token_id": 1} if kind == "roberta" else {}
        made[kind] = model(config(**SIZE, **own, type_vocab_size=2)).eval()
    return made


@pytest.fixture(scope="module", params=["mean", "cls"])
def encoder(request, tmp_path_factory):
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("models") / request.param
    return SentenceTransformer(str(save_encoder(folder, pooling=request.param)), device="cpu")


def padded(model, ids, types):
    """What transformers says of each row, alone."""
    with torch.inference_mode():
        return np.array(
            [
                model(input_ids=torch.tensor([row]), token_type_ids=torch.tensor([kinds]))
                .logits[0]
                .numpy()
                for row, kinds in zip(ids, types, strict=True)
            ]
        )


lengths = st.lists(st.integers(1, 24), min_size=1, max_size=20)


def rows_of(sizes, seed=0, low=4):
    rng = np.random.default_rng(seed)
    ids = [rng.integers(low, 40, size).tolist() for size in sizes]
    types = [(np.arange(size) >= size // 2).astype(int).tolist() for size in sizes]
    return list(zip(ids, types, strict=True))


@settings(max_examples=25, deadline=None)
@given(lengths, st.sampled_from([SHAPE, Shape(200, 30, 24)]))
def test_frames_hold_every_row_once_and_no_more_than_they_may(sizes, shape):
    places = list(fill(sizes, shape))
    assert sorted(np.concatenate(places).tolist()) == list(range(len(sizes)))
    rows = rows_of(sizes)
    for place in places:
        one = frame([rows[i] for i in place], shape)
        assert (len(one.ids), len(one.lengths), one.n_rows) == (*shape[:2], len(place))
        assert one.starts[-1] == shape.tokens
        assert one.lengths.max() <= shape.longest
        for n, i in enumerate(place):
            held = slice(one.starts[n], one.starts[n + 1])
            assert (one.ids[held].tolist(), one.types[held].tolist()) == rows[i]
            assert one.positions[held].tolist() == list(range(sizes[i]))


@pytest.mark.parametrize("kind", CLASSIFIERS)
@settings(max_examples=10, deadline=None)
@given(sizes=lengths, is_fixed=st.booleans())
def test_packed_scores_are_those_of_transformers(classifiers, kind, sizes, is_fixed):
    packed = pack_cross_encoder(classifiers[kind], precision="float32", shape=SHAPE)
    rows = rows_of(sizes)
    found = replace(packed, is_fixed=is_fixed).outputs(rows)
    np.testing.assert_allclose(
        found, padded(classifiers[kind], *zip(*rows, strict=True)), atol=1e-5, rtol=1e-5
    )


@settings(max_examples=10, deadline=None)
@given(sizes=lengths, is_fixed=st.booleans())
def test_packed_vectors_are_those_of_sentence_transformers(encoder, sizes, is_fixed):
    packed = pack_encoder(encoder, precision="float32", shape=SHAPE)
    rows = [(ids, None) for ids, _ in rows_of(sizes)]
    found = replace(packed, is_fixed=is_fixed).outputs(rows)
    with torch.inference_mode():
        expected = [
            encoder({"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids))})[
                "sentence_embedding"
            ][0].numpy()
            for ids, _ in rows
        ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_fixed_frame_gives_a_row_the_same_bits_in_any_company(classifiers, precision):
    packed = replace(
        pack_cross_encoder(classifiers["bert"], precision=precision, shape=SHAPE), is_fixed=True
    )
    rows = rows_of([1, 3, 5, 8, 13, 21, 24, 24])
    together = packed.outputs(rows)
    alone = np.concatenate([packed.outputs([row]) for row in rows])
    assert np.abs(together - alone).max() <= 1e-5 * np.abs(together).max()
    assert np.array_equal(packed.outputs(rows[::-1])[::-1], together)


@pytest.mark.parametrize(("precision", "most"), [("bfloat16", 0.05), ("float16", 0.01)])
def test_half_precision_stays_near_float32(classifiers, precision, most):
    rows = rows_of([1, 3, 5, 8, 13, 21, 24, 24])
    exact, half = (
        pack_cross_encoder(classifiers["bert"], precision=each, shape=SHAPE).outputs(rows)
        for each in ("float32", precision)
    )
    assert 0 < np.abs(half - exact).max() < most * np.ptp(exact)
    assert half.dtype == np.float32


def test_packing_leaves_the_model_as_it_was(classifiers):
    before = {name: value.clone() for name, value in classifiers["bert"].state_dict().items()}
    pack_cross_encoder(classifiers["bert"], precision="bfloat16", shape=SHAPE)
    after = classifiers["bert"].state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {value.dtype for value in after.values()} == {torch.float32}


def test_nothing_packed_is_nothing(classifiers):
    packed = pack_cross_encoder(classifiers["bert"], precision="float32", shape=SHAPE)
    assert packed.outputs([]).size == 0


def test_a_row_beyond_the_longest_is_refused():
    with pytest.raises(ValueError, match="25 tokens"):
        list(fill([3, 25], SHAPE))
    with pytest.raises(ValueError, match="do not fit"):
        frame(rows_of([24, 24, 24]), SHAPE)


def test_a_frame_has_room_for_so_many_short_rows():
    shape = shape_of(1024, 128)
    [place] = fill([64] * 16, shape)
    assert frame(rows_of([64] * 16), shape).n_rows == len(place) == 16
    assert len(list(fill([1] * 17, shape))) == 2


def test_a_model_of_another_family_is_refused_in_a_sentence(encoder):
    config = DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=16, vocab_size=40)
    with pytest.raises(ModelError, match="distilbert cannot be packed"):
        pack_cross_encoder(
            DistilBertForSequenceClassification(config), precision="float32", shape=SHAPE
        )
    kept = encoder[1].pooling_mode
    try:
        encoder[1].pooling_mode = "max"
        with pytest.raises(ModelError, match="mean or cls"):
            pack_encoder(encoder, precision="float32", shape=SHAPE)
    finally:
        encoder[1].pooling_mode = kept


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_recorded_pass_is_the_same_function(classifiers, precision):
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    import copy

    model = copy.deepcopy(classifiers["bert"]).cuda()
    rows = rows_of([1, 3, 5, 8, 13, 21, 24, 24] * 9)
    packed = pack_cross_encoder(model, precision=precision, shape=SHAPE)
    exact = pack_cross_encoder(classifiers["bert"], precision="float32", shape=SHAPE).outputs(rows)
    together = packed.outputs(rows)
    assert np.abs(together - exact).max() < 0.05 * np.ptp(exact)
    assert np.array_equal(np.concatenate([packed.outputs([row]) for row in rows]), together)
