"""ListNet with a sharpness of its target, and as a correction of the first stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sentence_transformers.cross_encoder.losses import ListNetLoss
from torch import Tensor


class Listwise(ListNetLoss):
    """Cross-entropy between the softmax of labels / temperature and that of the model's scores.

    Labels 0 and 1 are a weak target at temperature 1 (the positive among five gets .40), a
    plain choice near 0 (.1 gives it .9998).

    Where a label is (label, first), `first` is the first stage's score of the document, and
    the model's score is added to `first_weight` times it: the model learns what the first
    stage does not know, and is served by the same sum (`RerankOptions.scale`, raw).
    Sources: Cao and others, ICML 2007, doi 10.1145/1273496.1273513 (ListNet); the additive
    correction is gradient boosting with one step, Friedman, 2001, doi 10.1214/aos/1013203451.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - a CrossEncoder
        *,
        temperature: float = 1.0,
        first_weight: float = 1.0,
        activation_fn: torch.nn.Module | None = None,
        mini_batch_size: int | None = None,
    ) -> None:
        super().__init__(model, activation_fn, mini_batch_size)
        self.temperature, self.first_weight = temperature, first_weight

    def forward(  # type: ignore[override]  # the parent spells what is passed
        self,
        inputs: list[Any],
        labels: list[Tensor],
        **passed: Any,  # noqa: ANN401
    ) -> Tensor:
        """inputs: queries, and for each its documents; labels: for each query (n,) or (n, 2)."""
        wanted = [found if found.ndim == 1 else found[:, 0] for found in labels]
        own, first = self.activation_fn, self._first(labels)
        if first is not None:
            self.activation_fn = _added(own, first)
        try:
            loss: Tensor = super().forward(
                inputs, [label / self.temperature for label in wanted], **passed
            )
        finally:
            self.activation_fn = own
        return loss

    def _first(self, labels: list[Tensor]) -> Tensor | None:
        if labels[0].ndim == 1:
            return None
        return self.first_weight * torch.cat([found[:, 1] for found in labels]).float()

    def get_config_dict(self) -> dict[str, Any]:
        """For the model card."""
        return super().get_config_dict() | {
            "temperature": self.temperature,
            "first_weight": self.first_weight,
        }


def _added(own: Callable[[Tensor], Tensor], first: Tensor) -> Any:  # noqa: ANN401
    class Added(torch.nn.Module):
        def forward(self, logits: Tensor) -> Tensor:
            return own(logits) + first.to(logits.device)

    return Added()
