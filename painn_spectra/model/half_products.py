"""Products on a processor's matrix unit: every float32 as a sum of two bfloat16, x = h + l.

x·w = (h + l)(h + l): four terms, each exact, added in float32. What is lost, the rounding of l, is about
2⁻¹⁸ of a number: forces of random weights differ by 9e-6 of the largest one, and a trained model's come out
as near to float64's as in float32 (docs/performance.md).
Every row is summed in the same order whatever rows stand beside it.
"""

import numpy as np
from numpy.typing import NDArray

from painn_spectra.model.float_products import ADD, COLUMNS
from painn_spectra.model.lanes import compiled
from painn_spectra.model.matrix_unit import (
    PANELS,
    ROWS,
    SHAPES,
    STEP,
    STEPS,
    TILE,
    TILE_ROWS,
    release_tiles,
    scratch,
    shape_tiles,
    store_halves,
    tile_products,
)


def nearest_halves(x: NDArray) -> NDArray:
    """The upper sixteen bits of float32, rounded, as uint32."""
    return (x.view(np.uint32) + np.uint32(0x8000)) >> np.uint32(16)


def packed_halves(matrix: NDArray) -> NDArray:
    """A matrix (n_in, n_out), n_out a multiple of 16, as (n_out/16, steps, h and l, 16, 32) | uint16."""
    n_in, n_out = matrix.shape
    steps = -(-n_in // STEP)
    filled = np.pad(matrix.astype(np.float32), ((0, steps * STEP - n_in), (0, 0)))
    upper = nearest_halves(filled)
    lower = nearest_halves(filled - (upper << np.uint32(16)).view(np.float32))
    both = np.stack([upper, lower]).astype(np.uint16)
    pairs = both.reshape(2, steps, STEP // 2, 2, n_out // COLUMNS, COLUMNS)  # two rows are one of a tile
    return np.ascontiguousarray(pairs.transpose(4, 1, 0, 2, 5, 3)).reshape(-1, steps, 2, TILE_ROWS, STEP)


@compiled
def split_rows(x, first, n_rows, n_in, first_column, n_steps, split):
    """Halves of some rows of x (…, n_in), tile by tile: (tiles, n_steps, h and l, 16, 32)."""
    for i in range(n_rows):
        at = i // TILE_ROWS * n_steps * 2 * TILE + i % TILE_ROWS * STEP
        for column in range(first_column, min(first_column + n_steps * STEP, n_in), STEP):
            store_halves(split, at, x, (first + i) * n_in + column, column + COLUMNS < n_in)
            at += 2 * TILE


@compiled
def product_of_halves(n_rows, x, matrix, bias, begin, out):
    """As `product_of_floats`, with a matrix from `packed_halves`."""
    n_panels, all_steps = matrix.shape[:2]
    n_in, n_out, panel_size, split = x.shape[-1], n_panels * COLUMNS, all_steps * 2 * TILE, scratch()
    rows = 0
    for first_step in range(0, all_steps, STEPS):
        n_steps = min(STEPS, all_steps - first_step)
        for first in range(0, n_rows, ROWS):
            n = min(ROWS, n_rows - first)
            split_rows(x, first, n, n_in, first_step * STEP, n_steps, split)
            for panel in range(0, n_panels, PANELS):
                for i in range(0, n, TILE_ROWS):
                    if min(TILE_ROWS, n - i) != rows:
                        rows = min(TILE_ROWS, n - i)
                        shape_tiles(SHAPES, rows)
                    tile_products(
                        split, i // TILE_ROWS * n_steps * 2 * TILE, matrix, first_step * 2 * TILE, n_steps,
                        panel_size, panel, n_panels - 1, bias, begin if first_step == 0 else ADD, out,
                        (first + i) * n_out, n_out,
                    )  # fmt: skip
    release_tiles()
