"""What stands between the integer products of a quantised layer: scales, biases, residuals, norms.

Rows are tokens. A row is quantised by its own largest magnitude, so that it cannot depend on
others; integer sums are exact, so that neither can its products. Plain loops over contiguous rows,
which LLVM makes vectors of; callers run one frame a thread.
"""

import numpy as np
from numba import njit

LARGEST = np.float32(127)
LEAST = np.float32(1e-30)  # of a row's largest magnitude: below, its scale would be no number


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def quantise(values, units, scales):
    """Values (n, k) float32 -> units (n, k) int8 and scales (n,): values ~ units * scales."""
    n, k = values.shape
    for row in range(n):
        line = values[row]
        top = np.float32(0)
        for i in range(k):
            top = max(top, abs(line[i]))
        scales[row] = top / LARGEST if top > LEAST else np.float32(0)
        per = LARGEST / top if top > LEAST else np.float32(0)
        out = units[row]
        for i in range(k):
            out[i] = np.int8(np.rint(line[i] * per))


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def rescale(sums, scales, weights, bias, out):
    """Sums (n, m) int32 of quantised rows and weights -> out (n, m) float32, with the bias."""
    n, m = sums.shape
    for row in range(n):
        scale = scales[row]
        line, to = sums[row], out[row]
        for i in range(m):
            to[i] = np.float32(line[i]) * (scale * weights[i]) + bias[i]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def rescale_add_norm(sums, scales, weights, bias, hidden, gain, shift, eps, out):
    """As `rescale`, then the residual `hidden` (n, m) added and the row normalised into `out`."""
    n, m = sums.shape
    for row in range(n):
        scale = scales[row]
        line, before, to = sums[row], hidden[row], out[row]
        total = np.float32(0)
        for i in range(m):
            value = np.float32(line[i]) * (scale * weights[i]) + bias[i] + before[i]
            to[i] = value
            total += value
        mean = total / np.float32(m)
        spread = np.float32(0)
        for i in range(m):
            spread += (to[i] - mean) * (to[i] - mean)
        per = np.float32(1) / np.sqrt(spread / np.float32(m) + np.float32(eps))
        for i in range(m):
            to[i] = (to[i] - mean) * per * gain[i] + shift[i]
