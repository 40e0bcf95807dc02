"""The range of a training set: its own frames and cooler ones lie inside, broken ones do not."""

import json

import h5py
import numpy as np
import pytest
from ase.build import molecule

from painn_spectra import keys
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.md.excursions import excursions
from painn_spectra.trained_range import MARGIN, MIN_MARGIN_A, outside, trained_range


@pytest.fixture(scope="module")
def ethanol(ethanol_labels):
    return read_frames(ethanol_labels)


def test_a_bound_is_what_was_seen_and_a_margin():
    """Two atoms at 1.0 to 1.4 Å: inside to 1.44 Å, 0.1 of the width more, and told how far beyond."""
    numbers, lengths = np.tile([1, 8], (3, 1)), [1.0, 1.2, 1.4]
    positions = np.array([[[0, 0, 0], [0, 0, r]] for r in lengths])
    seen = trained_range(Frames(numbers, positions, {}, np.full(3, "a")))
    assert seen == {"neighbours": {"1": [[1.0, 1.4]], "8": [[1.0, 1.4]]}}
    margin = max(MARGIN * 0.4, MIN_MARGIN_A)
    moved = np.array([[[0, 0, 0], [0, 0, r]] for r in (1.4 + 0.9 * margin, 1.4 + margin + 0.3, 0.5, np.nan)])
    beyond, words = outside(seen, numbers[0], moved)
    assert beyond == pytest.approx([0, 0.3, 0.5 - margin, np.inf])
    assert words[0] == "" and words[1] == "H (atom 0) has neighbour 1 at 1.74 Å, trained to 1.40"
    assert "trained from 1.00" in words[2]


def test_frames_of_the_training_set_and_cooler_ones_lie_inside(ethanol):
    """Trajectories of one temperature: those that were left out leave the range of the others rarely."""
    warm = np.flatnonzero(np.isin(ethanol.groups, ["1", "2", "4"]))
    other = ethanol.take(np.flatnonzero(ethanol.groups == "3"))
    seen = json.loads(json.dumps(trained_range(ethanol.take(warm))))
    own, _ = outside(seen, ethanol.numbers[0], ethanol.take(warm).positions)
    assert not own.any()
    beyond, _ = outside(seen, ethanol.numbers[0], other.positions)
    assert (beyond > 0).mean() < 0.05
    middle = other.positions.mean(0, keepdims=True) * 0  # all atoms on one place
    assert outside(seen, ethanol.numbers[0], middle)[0] > 0.5


@pytest.mark.parametrize("how", ["stretched bond", "collision", "an atom gone"])
def test_broken_molecules_are_told(ethanol, how):
    seen, r = trained_range(ethanol), ethanol.positions[:1].copy()
    n_hydroxyl = int(np.flatnonzero(ethanol.numbers[0] == 8)[0])
    hydrogen = int(
        np.argmin(np.where(ethanol.numbers[0] == 1, np.linalg.norm(r[0] - r[0, n_hydroxyl], axis=1), 9))
    )
    bond = r[0, hydrogen] - r[0, n_hydroxyl]
    r[0, hydrogen] = (
        r[0, n_hydroxyl] + bond * {"stretched bond": 1.8, "collision": 0.5, "an atom gone": 9}[how]
    )
    beyond, words = outside(seen, ethanol.numbers[0], r)
    assert beyond[0] > 0.05 and "trained" in words[0]


def test_a_smaller_molecule_of_known_elements_has_bounds(ethanol):
    """Methanol near its minimum is inside of what ethanol showed: bonds and angles are alike."""
    methanol = molecule("CH3OH")
    beyond, words = outside(trained_range(ethanol), methanol.numbers, methanol.positions[None])
    assert beyond[0] == 0, words


def test_a_dynamics_that_leaves_the_range_is_a_warning(tmp_path, capsys):
    """Two replicas of HO, 100 samples at 2 fs; the second stretches by 0.011 Å a sample from the 40th on."""
    length = np.full((2, 100), 1.2)
    length[1, 40:] += 0.011 * np.arange(60)
    positions = np.zeros((2, 100, 2, 3))
    positions[:, :, 1, 2] = length
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file[keys.SPARSE_POSITIONS] = positions.astype(np.float32)
        file.attrs.update(numbers=[1, 8], sample_interval_fs=2.0, sparse_stride=1)
    metadata = {"range": {"neighbours": {"1": [[1.0, 1.4]], "8": [[1.0, 1.4]]}}}
    told = excursions(tmp_path / "t.h5", metadata)  # beyond 1.44 Å from sample 62 on
    assert told["outside_trained_range"] == pytest.approx(38 / 200)
    assert told["farthest_outside_A"] == pytest.approx(1.2 + 0.011 * 59 - 1.44, abs=1e-6)
    out = capsys.readouterr().out
    assert "warning: 19 % of the frames" in out
    assert "first replica 1 after 0.12 ps: H (atom 0) has neighbour 1 at 1.44 Å, trained to 1.40" in out
    assert excursions(tmp_path / "t.h5", {}) == {}
    metadata["range"]["neighbours"]["1"] = metadata["range"]["neighbours"]["8"] = [[1.0, 2.0]]
    assert set(excursions(tmp_path / "t.h5", metadata).values()) == {0.0}
    assert capsys.readouterr().out == ""
