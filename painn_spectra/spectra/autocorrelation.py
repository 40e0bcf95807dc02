"""The autocorrelation of a series of any length that comes in chunks: exact, bounded in memory."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[np.floating[Any]]

MIN_BLOCK = 1 << 17  # samples correlated at a time: long enough for the FFT, a few megabytes
BLOCK_LAGS = 4  # blocks of this many times the longest lag: the overlap costs a fifth


def autocorrelation(
    series: Array | Iterable[Array], weights: Array | None = None, n_lags: int | None = None
) -> Array:
    """C(k) = 1/N Σ_c w_c Σ_t x_c(t) x_c(t+k), the biased estimate: its transform is non-negative.

    A series in chunks is cut into blocks; each is correlated with itself and with the n_lags − 1 samples
    before it, zero-padded so that ends never meet (overlap–save), and the products add up as spectra:
    every pair of samples counts once, as in one transform of the whole.

    | symbol | variable | unit                                              |
    | x_c(t) | series   | [any], (n, n_comp), or chunks of it; n_lags then needed |
    | w_c    | weights  | 1, (n_comp,), default ones; (n_sums, n_comp) for several sums at once |
    | C      | result   | [any]², (n_lags,) or (n_sums, n_lags); default all lags |

    Oppenheim & Schafer, Discrete-Time Signal Processing, 8.7.
    """
    if isinstance(series, np.ndarray):
        n_lags = len(series) if n_lags is None else min(n_lags, len(series))
        series = [series]
    if n_lags is None:
        raise ValueError("n_lags is not known for a series in chunks; pass it")
    cut = blocks(series, max(MIN_BLOCK, BLOCK_LAGS * n_lags))
    first = next(cut, None)
    if first is None:
        raise ValueError("the series has no samples")
    n_components = first.shape[1]
    table = np.ones((1, n_components)) if weights is None else np.atleast_2d(weights)  # (n_sums, n_comp)
    length = fft.next_fast_len(len(first) + n_lags - 1, real=True)  # a first block that is short is the only
    total = np.zeros((len(table), length // 2 + 1), complex)  # (n_sums, n_frequencies) | [any]²
    before = np.zeros((0, n_components))  # up to n_lags - 1 samples
    n_samples = 0
    for block in chain([first], cut):
        for c in range(n_components):
            transformed = earlier = fft.rfft(block[:, c], length)
            if len(before):
                padded = np.zeros(length)
                padded[: len(block)] = block[:, c]
                padded[length - len(before) :] = before[:, c]
                earlier = fft.rfft(padded)
            product = transformed * earlier.conj()
            for row in np.flatnonzero(table[:, c]):
                total[row] += table[row, c] * product
        n_samples += len(block)
        before = np.concatenate([before, block])[-(n_lags - 1) :] if n_lags > 1 else before
    correlation = fft.irfft(total, length, axis=1)[:, :n_lags] / n_samples  # (n_sums, n_lags) | [any]²
    return correlation if weights is not None and weights.ndim == 2 else correlation[0]


def blocks(chunks: Iterable[Array], size: int) -> Iterator[Array]:
    """The same samples in float64 blocks of `size`, the last one shorter. (n, n_comp) -> (size, n_comp)"""
    waiting: list[Array] = []
    n_waiting = 0
    for chunk in chunks:
        waiting.append(np.asarray(chunk, dtype=np.float64))
        n_waiting += len(chunk)
        while n_waiting >= size:
            joined = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            yield joined[:size]
            waiting, n_waiting = [joined[size:]], n_waiting - size
    if n_waiting:
        yield np.concatenate(waiting)
