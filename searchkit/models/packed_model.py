"""A bi-encoder or cross-encoder -> its vectors or scores by packed forward passes.

On CUDA in half precision every pass reads a frame of one shape, recorded once as a graph; the
processor packs the next frame while the device reads the last. Elsewhere a frame is as large as
what it holds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ModelError
from searchkit.models.packed import Frame, Row, Shape, fill, frame, in_order
from searchkit.models.packed_bert import (
    PackedBert,
    Precision,
    Step,
    by_length,
    flash,
    has_flash,
    step,
)

if TYPE_CHECKING:
    from torch import Tensor

# Hidden states (n_tokens, width), lengths (n_sequences,) -> (n_sequences, n_outputs) float32.
Head: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"

_WARM = 3  # passes before one is recorded: libraries allocate and choose kernels in the first


@dataclass(frozen=True, slots=True, eq=False)
class PackedModel:
    """What turns token rows into outputs; `shape` fixed where `is_fixed`, else an upper bound."""

    run: Callable[[Frame], Tensor]
    shape: Shape
    is_fixed: bool

    def outputs(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(n_rows, n_outputs) in the order of the rows. ValueError where a row is too long."""
        return self.launch(rows)()

    def launch(self, rows: Sequence[Row]) -> Callable[[], NDArray[np.float32]]:
        """As `outputs`, from a call: on CUDA the device reads the rows while the caller goes on."""
        import torch

        places = list(fill([len(ids) for ids, _ in rows], self.shape))
        with torch.inference_mode():
            found = [self.run(self.frame([rows[i] for i in place])) for place in places]

        def wait() -> NDArray[np.float32]:
            if not found:
                return np.empty((0, 0), np.float32)
            return in_order([torch.cat(found).cpu().numpy()], places)

        return wait

    def frame(self, rows: Sequence[Row]) -> Frame:
        return frame(rows, self.shape if self.is_fixed else None)


def pack_cross_encoder(
    model: Any,  # noqa: ANN401
    *,
    precision: Precision,
    shape: Shape,
    step: Step = step,
) -> PackedModel:
    """Logits (n, n_labels) of a transformers sequence classifier. Its head stays in float32.

    `step` may be a compiled one. ModelError where the model is of no family that can be packed.
    """
    body = replace(PackedBert.of(model, precision), step=step)
    base = getattr(model, model.base_model_prefix)
    classifier = copy.deepcopy(model.classifier).float()
    pooler = copy.deepcopy(getattr(base, "pooler", None))

    def finish(hidden: Tensor, lengths: Tensor) -> Tensor:
        first = _first(hidden, lengths).float()[:, None]
        logits: Tensor = classifier(first if pooler is None else pooler(first))
        return logits

    return _packed(body, finish, device=model.device, precision=precision, shape=shape)


def pack_encoder(
    model: Any,  # noqa: ANN401
    *,
    precision: Precision,
    shape: Shape,
    step: Step = step,
    change: Callable[[PackedBert], PackedBert] | None = None,
) -> PackedModel:
    """Vectors (n, dim) of a SentenceTransformer: pooled, and through its other modules, in float32.

    change: what is made of its layers, such as `int8.in_int8`.

    ModelError where the model is of no family that can be packed, or pools in another way than by
    the mean or the first token.
    """
    body = replace(PackedBert.of(model[0].model, precision), step=step)
    body = change(body) if change else body
    pooling, *others = list(model)[1:]
    pool = _POOLS.get(getattr(pooling, "pooling_mode", ""))
    if pool is None:
        raise ModelError(
            "a model that pools otherwise than by mean or cls cannot be packed. "
            "Use precision float32."
        )
    modules = [copy.deepcopy(module).float() for module in others]

    def finish(hidden: Tensor, lengths: Tensor) -> Tensor:
        features = {"sentence_embedding": pool(hidden, lengths)}
        for module in modules:
            features = module(features)
        return features["sentence_embedding"]

    return _packed(body, finish, device=model.device, precision=precision, shape=shape)


def _first(hidden: Tensor, lengths: Tensor) -> Tensor:
    # behind the last sequence of a full frame there is no token, for empty ones to name
    return hidden[(lengths.cumsum(0) - lengths).clamp(max=len(hidden) - 1)]


def _mean(hidden: Tensor, lengths: Tensor) -> Tensor:
    import torch

    mean: Tensor = torch.segment_reduce(
        hidden.float(), "mean", lengths=lengths, unsafe=True, initial=0
    )
    return mean


_POOLS: dict[Any, Head] = {
    "mean": _mean,
    "cls": lambda hidden, lengths: _first(hidden, lengths).float(),
}


def _packed(
    body: PackedBert,
    head: Head,
    *,
    device: Any,  # noqa: ANN401
    precision: Precision,
    shape: Shape,
) -> PackedModel:
    is_fixed = device.type == "cuda" and precision != "float32" and has_flash()
    if is_fixed:
        return PackedModel(_Recorded(body, head, device, shape), shape, is_fixed=True)

    def run(one: Frame) -> Tensor:
        tokens, lengths = _tensors(one, device)
        attend = by_length(one.lengths.tolist())
        return head(body(tokens, attend), lengths)[: one.n_rows]

    return PackedModel(run, shape, is_fixed=False)


class _Recorded:
    """One pass over a frame of one shape, as a CUDA graph: no kernel waits for its launch."""

    def __init__(self, body: PackedBert, head: Head, device: Any, shape: Shape) -> None:  # noqa: ANN401
        import torch

        self._device = device
        self._tokens, self._lengths = _tensors(frame([], shape), device)
        self._starts = torch.zeros(shape.sequences + 1, dtype=torch.int32, device=device)
        self._graph = torch.cuda.CUDAGraph()

        def one_pass() -> Tensor:
            self._starts[1:] = self._lengths.cumsum(0)
            hidden = body(self._tokens, flash(self._starts, shape.longest))
            return head(hidden, self._lengths)

        with torch.inference_mode(), torch.cuda.device(device):
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_WARM):
                    one_pass()
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(self._graph):
                self._outputs = one_pass()

    def __call__(self, one: Frame) -> Tensor:
        for held, given in zip((self._tokens, self._lengths), _arrays(one), strict=True):
            held.copy_(given.pin_memory(), non_blocking=True)
        return self.again()[: one.n_rows].clone()  # the next replay writes over it

    def again(self) -> Tensor:
        """The outputs of the frame that was read last, computed once more: for who measures."""
        self._graph.replay()
        return self._outputs


def _tensors(one: Frame, device: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    tokens, lengths = _arrays(one)
    return tokens.to(device), lengths.to(device)


def _arrays(one: Frame) -> Iterator[Tensor]:
    import torch

    yield torch.from_numpy(np.stack([one.ids, one.types, one.positions]))
    yield torch.from_numpy(one.lengths)
