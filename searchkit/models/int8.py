"""A packed BERT whose products are of whole numbers: half the time on processors with VNNI.

Weights are rounded to 8 bits by output, hidden states by token while they pass, so that a row
depends on itself alone; attention, its values, norms and activations stay float32. Values, because
more than half of the error comes of rounding them, a ninth of the products. No text is needed to
choose ranges. Source: Zafrir et al., Q8BERT, 2019, 10.1109/EMC2-NIPS53020.2019.00016, with scales
by token as in Yao et al., ZeroQuant, NeurIPS 2022, arXiv:2206.01861.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ConfigError, ModelError
from searchkit.models.packed import Row, fill, in_order, shape_of
from searchkit.models.packed_bert import Attend, Form, Layer, PackedBert

if TYPE_CHECKING:
    from torch import Tensor

    from searchkit.models.packed_model import PackedModel

FRAME_TOKENS = 2_048  # a thread reads at once: what it makes of them stays near its cache
_NEAR = 0.9  # least cosine to float32's vector of a probe; rounding gives .98 and more


Norm: TypeAlias = tuple[Any, Any, float]  # gain and shift (width,), and what keeps it finite


class Weights(NamedTuple):
    """One matrix in whole numbers."""

    units: Tensor  # (n_inputs, n_outputs) int8, contiguous
    scales: Any  # (n_outputs,) float32, numpy
    bias: Any  # (n_outputs,) float32, numpy


class Int8Layer(NamedTuple):
    """A layer of `packed_bert`, its matrices quantised, its norms as they are."""

    asked: Weights  # queries and keys
    told: tuple[Tensor, Tensor]  # values, in float32
    mixed: Weights
    first_norm: tuple[Any, Any]
    up: Weights
    down: Weights
    last_norm: tuple[Any, Any]


def pack_int8(model: Any, *, max_tokens: int) -> PackedModel:  # noqa: ANN401
    """A SentenceTransformer on the processor, for rows of up to `max_tokens`.

    ConfigError where torch cannot, ModelError where the model is of no family that can be packed.
    """
    from searchkit.models.packed_model import pack_encoder

    shape = shape_of(max(FRAME_TOKENS, max_tokens), max_tokens)
    return pack_encoder(model, precision="float32", shape=shape, change=in_int8)


def outputs(packed: PackedModel, rows: Sequence[Row], *, n_threads: int) -> NDArray[np.float32]:
    """(n_rows, n_outputs) in the order of the rows; each thread reads frames of its own."""
    import torch

    places = list(fill([len(ids) for ids, _ in rows], packed.shape))

    def read(place: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found = packed.run(packed.frame([rows[i] for i in place]))
        table: NDArray[np.float32] = found.numpy()
        return table

    with ThreadPoolExecutor(n_threads) as pool:  # its threads begin with torch's own one thread
        return in_order(list(pool.map(read, places)), places)


def check_near(name: str, found: NDArray[np.float32], exact: NDArray[np.float32]) -> None:
    """ModelError where vectors (n, dim) point elsewhere than float32's."""
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
    cosines = (found * exact).sum(1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    if not (cosines >= _NEAR).all():
        raise ModelError(
            f"{name} in int8 gives other vectors than in float32 (cosine {cosines.min():.2f}), by "
            "its weights or by this processor. Use precision float32."
        )


def in_int8(body: PackedBert) -> PackedBert:
    """The same model with quantised layers. ConfigError where torch multiplies no integers."""
    import torch

    if not hasattr(torch, "_int_mm"):
        raise ConfigError("this torch multiplies no 8-bit matrices. Use precision float32.")
    layers: Any = tuple(_quantised(layer) for layer in body.layers)
    return replace(body, layers=layers, step=_step)


def _quantised(layer: Layer) -> Int8Layer:
    (matrix, bias), width = layer.qkv, layer.mixed[0].shape[1]
    asked, mixed, up, down = (
        _weights(*pair)
        for pair in (
            (matrix[: 2 * width], bias[: 2 * width]),
            *(layer.mixed, layer.up, layer.down),
        )
    )
    told = (matrix[2 * width :].contiguous(), bias[2 * width :])
    first, last = (
        (norm[0].numpy(), norm[1].numpy()) for norm in (layer.first_norm, layer.last_norm)
    )
    return Int8Layer(asked, told, mixed, first, up, down, last)


def _weights(weight: Tensor, bias: Tensor) -> Weights:
    """(n_outputs, n_inputs) float32 -> whole numbers from -127 to 127, a scale for each output."""
    import torch

    scales = weight.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / 127
    units = (weight / scales[:, None]).round().to(torch.int8).t().contiguous()
    return Weights(units, scales.numpy(), bias.numpy())


def _step(hidden: Tensor, layer: Any, form: Form, attend: Attend) -> Tensor:  # noqa: ANN401
    """As `packed_bert.step`, on the processor, on the calling thread."""
    from torch.nn import functional as F

    n_tokens, _ = hidden.shape
    query, key = _linear(hidden, layer.asked).view(n_tokens, 2, form.n_heads, -1).unbind(1)
    value = F.linear(hidden, *layer.told).view(n_tokens, form.n_heads, -1)
    seen = attend(query, key, value).reshape(n_tokens, -1)
    hidden = _add_norm(seen, layer.mixed, hidden, (*layer.first_norm, form.eps))
    wide = form.activation(_linear(hidden, layer.up))
    return _add_norm(wide, layer.down, hidden, (*layer.last_norm, form.eps))


def _linear(values: Tensor, weights: Weights) -> Tensor:
    import torch

    from searchkit.models.int8_kernel import rescale

    sums, scales = _product(values, weights)
    out = torch.empty(sums.shape, dtype=torch.float32)
    rescale(sums.numpy(), scales, weights.scales, weights.bias, out.numpy())
    return out


def _add_norm(values: Tensor, weights: Weights, hidden: Tensor, norm: Norm) -> Tensor:
    import torch

    from searchkit.models.int8_kernel import rescale_add_norm

    sums, scales = _product(values, weights)
    out = torch.empty_like(hidden)
    rescale_add_norm(
        sums.numpy(),
        *(scales, weights.scales, weights.bias),
        *(hidden.numpy(), *norm),
        out.numpy(),
    )
    return out


def _product(values: Tensor, weights: Weights) -> tuple[Tensor, Any]:
    """Whole-number products (n_tokens, n_outputs) int32, and the scale of each token."""
    import torch

    from searchkit.models.int8_kernel import quantise

    units, scales = torch.empty(values.shape, dtype=torch.int8), np.empty(len(values), np.float32)
    quantise(values.contiguous().numpy(), units.numpy(), scales)
    return torch._int_mm(units, weights.units), scales
