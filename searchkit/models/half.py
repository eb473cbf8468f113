"""A cross-encoder and a precision -> its packed form on CUDA, where it scores as it should.

Half precision rounds scores: they stand apart from float32's by up to `TOLERANCE`, which belongs
to the precision that the fingerprint names. A pair's score still does not depend on its
batch-mates: every pass reads a frame of one shape, by the same kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from searchkit.errors import ConfigError, ModelError
from searchkit.models.packed import shape_of
from searchkit.models.packed_bert import Precision, has_flash

if TYPE_CHECKING:
    from searchkit.models.packed_model import PackedModel
    from searchkit.types import Scores

FRAME_TOKENS = 16_384  # a hundred pairs of abstracts fill two; one pair alone costs one

# How far a logit of 1 may stand from float32's; larger ones in proportion. These find a wrong
# model, not rounding, which is to be a tenth of it; set before anything ran on a GPU.
TOLERANCE: dict[Precision, float] = {"float32": 1e-5, "float16": 0.02, "bfloat16": 0.1}


def check_precision(precision: Precision, device: Literal["cpu", "cuda"]) -> None:
    """ConfigError where the device and the torch that is installed cannot serve it."""
    if precision not in TOLERANCE:
        raise ConfigError(f"there is no precision {precision!r}. Choose of {', '.join(TOLERANCE)}.")
    if precision != "float32" and (device != "cuda" or not has_flash()):
        raise ConfigError(
            f"precision {precision} needs CUDA, with a device of compute capability 8.0 or above "
            "and torch 2.10 or above. Use precision float32."
        )


def pack_scorer(model: Any, precision: Precision, *, longest: int) -> PackedModel:  # noqa: ANN401
    """A transformers model packed, for pairs of up to `longest` tokens.

    ModelError where it is of no family that can be packed.
    """
    from searchkit.models.packed_model import pack_cross_encoder

    shape = shape_of(max(FRAME_TOKENS, longest), longest)
    return pack_cross_encoder(model, precision=precision, shape=shape)


def check_parity(name: str, precision: Precision, *, found: Scores, exact: Scores) -> None:
    """ModelError where scores stand further from float32's than their precision explains."""
    gap = np.abs(found - exact) / np.maximum(1, np.abs(exact))
    if not (gap <= TOLERANCE[precision]).all():
        raise ModelError(
            f"{name} in {precision} scores other than in float32 (by {gap.max():.2g}, where "
            f"{TOLERANCE[precision]:g} may be). Use precision float32."
        )
