"""A BERT of transformers -> the same function over packed tokens: no padding is ever read.

One matrix gives query, key and value; attention runs inside each sequence. Of the family that
embeds absolute positions and normalises after each block: BERT, ELECTRA, RoBERTa and XLM-R.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from searchkit.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
FAMILIES = ("bert", "electra", "roberta", "xlm-roberta")

# Query, key, value: (n_tokens, n_heads, dim of a head) -> the same shape.
Attend: TypeAlias = "Callable[[Tensor, Tensor, Tensor], Tensor]"


class Layer(NamedTuple):
    """Weights of one layer, each (out, in), with their biases."""

    qkv: tuple[Tensor, Tensor]
    mixed: tuple[Tensor, Tensor]
    first_norm: tuple[Tensor, Tensor]
    up: tuple[Tensor, Tensor]
    down: tuple[Tensor, Tensor]
    last_norm: tuple[Tensor, Tensor]


class Form(NamedTuple):
    """What the layers share besides their shape."""

    n_heads: int
    eps: float
    activation: Callable[[Tensor], Tensor]


Step: TypeAlias = "Callable[[Tensor, Layer, Form, Attend], Tensor]"


@dataclass(frozen=True, slots=True, eq=False)
class PackedBert:
    """Embeddings and layers of a model, in one precision, on the device of the model.

    Source: Devlin et al., NAACL 2019, 10.18653/v1/N19-1423; packing as in Zhai et al.,
    ByteTransformer, IPDPS 2023, 10.1109/IPDPS54959.2023.00042.
    """

    embed: Callable[[Tensor], Tensor]  # ids, types and positions, (3, n_tokens)
    layers: tuple[Layer, ...]
    form: Form
    step: Step

    @classmethod
    def of(cls, model: Any, precision: Precision = "float32") -> PackedBert:  # noqa: ANN401
        """From a transformers model, whose own weights stay as they are.

        ModelError where it is of another family, or a decoder.
        """
        import torch

        body = getattr(model, model.base_model_prefix, model)
        config = body.config
        if not is_packable(body):
            raise ModelError(
                f"a model of type {config.model_type} cannot be packed; {', '.join(FAMILIES)} can. "
                "Use precision float32."
            )
        dtype: torch.dtype = getattr(torch, precision)
        layers = tuple(_layer_of(layer, dtype) for layer in body.encoder.layer)
        first = body.encoder.layer[0]
        form = Form(
            config.num_attention_heads,
            config.layer_norm_eps,
            first.intermediate.intermediate_act_fn,
        )
        return cls(_embedding_of(body, dtype), layers, form, step)

    def __call__(self, tokens: Tensor, attend: Attend) -> Tensor:
        """Ids, types and positions (3, n_tokens) -> hidden states (n_tokens, width)."""
        hidden = self.embed(tokens)
        for layer in self.layers:
            hidden = self.step(hidden, layer, self.form, attend)
        return hidden


def step(hidden: Tensor, layer: Layer, form: Form, attend: Attend) -> Tensor:
    """One layer: (n_tokens, width) -> (n_tokens, width)."""
    from torch.nn import functional as F

    n_tokens, width = hidden.shape
    heads = F.linear(hidden, *layer.qkv).view(n_tokens, 3, form.n_heads, -1)
    seen = attend(*heads.unbind(1)).reshape(n_tokens, -1)
    mixed = F.linear(seen, *layer.mixed)
    hidden = F.layer_norm(hidden + mixed, (width,), *layer.first_norm, form.eps)
    wide = form.activation(F.linear(hidden, *layer.up))
    return F.layer_norm(hidden + F.linear(wide, *layer.down), (width,), *layer.last_norm, form.eps)


def is_packable(body: Any) -> bool:  # noqa: ANN401
    """Whether a transformers model, without its head, is of the family."""
    config = body.config
    kind = getattr(config, "position_embedding_type", "absolute")
    is_decoder = getattr(config, "is_decoder", False)
    return config.model_type in FAMILIES and kind == "absolute" and not is_decoder


def by_length(lengths: Sequence[int]) -> Attend:
    """Attention on any device in any precision: one call for each run of equal lengths."""
    from torch.nn import functional as F

    runs = [(length, len(list(run))) for length, run in groupby(lengths) if length]

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        seen, start = query.new_zeros(query.shape), 0
        for length, n in runs:
            stop = start + n * length
            own, others, told = (
                whole[start:stop].view(n, length, *query.shape[1:]).transpose(1, 2)
                for whole in (query, key, value)
            )
            found = F.scaled_dot_product_attention(own, others, told)
            seen[start:stop] = found.transpose(1, 2).flatten(0, 1)
            start = stop
        return seen

    return attend


def flash(starts: Tensor, longest: int) -> Attend:
    """Attention of all sequences in one kernel, on CUDA in half precision: (n + 1,) int32 starts.

    ImportError where torch has none.
    """
    from torch.nn.attention.varlen import varlen_attn

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        found = varlen_attn(query, key, value, starts, starts, longest, longest)
        return cast("Tensor", found)

    return attend


@cache
def has_flash() -> bool:
    """Whether torch has the one kernel, and CUDA to run it on."""
    import torch

    try:
        from torch.nn.attention import varlen  # noqa: F401
    except ImportError:
        return False
    return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)


def _layer_of(layer: Any, dtype: Any) -> Layer:  # noqa: ANN401 - transformers and torch types
    import torch

    own = layer.attention.self
    parts = (own.query, own.key, own.value)
    qkv = (
        torch.cat([part.weight.detach() for part in parts]).to(dtype),
        torch.cat([part.bias.detach() for part in parts]).to(dtype),
    )
    modules = (
        *(layer.attention.output.dense, layer.attention.output.LayerNorm),
        *(layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm),
    )
    rest = [(each.weight.detach().to(dtype), each.bias.detach().to(dtype)) for each in modules]
    return Layer(qkv, *rest)


def _embedding_of(body: Any, dtype: Any) -> Callable[[Tensor], Tensor]:  # noqa: ANN401
    """By the module of the model itself, so that no rule of a family is written twice."""
    module, project = body.embeddings, getattr(body, "embeddings_project", None)
    if module.word_embeddings.weight.dtype != dtype:
        module, project = (
            copy.deepcopy(part).to(dtype) if part is not None else None
            for part in (module, project)
        )
    padding = module.position_embeddings.padding_idx
    before = 0 if padding is None else padding + 1  # RoBERTa counts from behind its padding

    def embed(tokens: Tensor) -> Tensor:
        ids, types, positions = tokens[:, None]
        found: Tensor = module(input_ids=ids, token_type_ids=types, position_ids=positions + before)
        return (project(found) if project is not None else found)[0]

    return embed
