"""The range of a training set: its own frames and cooler ones lie inside, broken ones do not."""

import json

import h5py
import numpy as np
import pytest
from ase.build import molecule

from painn_spectra import keys
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.md.excursions import excursions
from painn_spectra.md.guards import FAR
from painn_spectra.trained_range import MARGIN, MIN_MARGIN_A, Bounds, seen_by_both, trained_range


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
    bounds = Bounds(seen, numbers[0])
    excess, place = bounds.excess(moved)
    assert excess == pytest.approx([-0.1 * margin / 1.4, 0.3 / 1.4, (0.5 - margin) / 1.0, np.inf])
    told = list(zip(excess, place, strict=True))
    assert [bounds.beyond_A(*one) for one in told[:3]] == pytest.approx([0, 0.3, 0.5 - margin])
    assert bounds.words(*told[1]) == "H (atom 0) has neighbour 1 at 1.74 Å, trained to 1.40"
    assert bounds.words(*told[2]) == "H (atom 0) has neighbour 1 at 0.50 Å, trained from 1.00"
    assert bounds.words(*told[3]) == "positions are no numbers"
    shaped, _ = bounds.excess(moved.reshape(2, 1, 2, 2, 3))
    assert np.array_equal(shaped.ravel(), excess) and shaped.shape == (2, 1, 2)


def test_a_sum_of_models_knows_what_both_know():
    one = {"neighbours": {"1": [[1.0, 1.4], [1.5, 2.0]], "8": [[1.0, 1.4]], "6": [[1.0, 1.1]]}}
    other = {"neighbours": {"1": [[0.9, 1.2]], "8": [[1.1, 1.5]]}}
    assert seen_by_both(one, other) == {"neighbours": {"1": [[1.0, 1.2]], "8": [[1.1, 1.4]]}}
    excess, _ = Bounds(seen_by_both(one, other), np.array([1, 1])).excess(np.eye(3)[None, :2] * 5)
    assert excess > FAR  # of another molecule, with a rank less


def test_frames_of_the_training_set_and_cooler_ones_lie_inside(ethanol):
    """Trajectories of one temperature: those that were left out leave the range of the others rarely."""
    warm = np.flatnonzero(np.isin(ethanol.groups, ["1", "2", "4"]))
    other = ethanol.take(np.flatnonzero(ethanol.groups == "3"))
    seen = json.loads(json.dumps(trained_range(ethanol.take(warm))))
    bounds = Bounds(seen, ethanol.numbers[0])
    assert (bounds.excess(ethanol.take(warm).positions)[0] < 0).all()
    beyond, _ = bounds.excess(other.positions)
    assert (beyond > 0).mean() < 0.05 and beyond.max() < FAR / 3
    middle = other.positions.mean(0, keepdims=True) * 0  # all atoms on one place
    assert bounds.excess(middle)[0] > FAR


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
    bounds = Bounds(seen, ethanol.numbers[0])
    (excess,), (place,) = bounds.excess(r)
    assert bounds.beyond_A(excess, place) > 0.05 and "trained" in bounds.words(excess, place)


def test_a_smaller_molecule_of_known_elements_has_bounds(ethanol):
    """Methanol near its minimum is inside of what ethanol showed: bonds and angles are alike."""
    methanol = molecule("CH3OH")
    bounds = Bounds(trained_range(ethanol), methanol.numbers)
    (excess,), (place,) = bounds.excess(methanol.positions[None])
    assert excess < 0, bounds.words(excess, place)


def test_a_dynamics_that_leaves_the_range_is_a_warning(tmp_path, capsys):
    """Three replicas of HO, 100 samples at 2 fs; one that did not stop stretches by 0.011 Å a sample."""
    length = np.full((2, 100), 1.2)
    length[1, 40:] += 0.011 * np.arange(60)
    positions = np.zeros((2, 100, 2, 3))
    positions[:, :, 1, 2] = length
    bounds = Bounds({"neighbours": {"1": [[1.0, 1.4]], "8": [[1.0, 1.4]]}}, np.array([1, 8]))

    def told(bounds):
        with h5py.File(tmp_path / "t.h5", "w") as file:
            file[keys.RANGE_EXCESS], file[keys.RANGE_PLACE] = bounds.excess(positions)
            file.attrs.update(sample_interval_fs=2.0, stopped=[0])
        return excursions(tmp_path / "t.h5", bounds)

    found = told(bounds)  # beyond 1.44 Å from sample 62 on
    assert found["outside_trained_range"] == pytest.approx(38 / 200)
    assert found["farthest_outside_A"] == pytest.approx(1.2 + 0.011 * 59 - 1.44, abs=1e-3)
    (frame,) = found["farthest_frames"]
    assert (frame["replica"], frame["time_ps"]) == (2, 0.2)
    assert frame["reason"] == "H (atom 0) has neighbour 1 at 1.85 Å, trained to 1.40"
    out = capsys.readouterr().out
    assert "warning: 19 % of the frames" in out
    assert "farthest replica 2 after 0.2 ps: H (atom 0) has neighbour 1 at 1.85 Å" in out
    assert excursions(tmp_path / "t.h5", None) == {}
    found = told(Bounds({"neighbours": {"1": [[1.0, 2.0]]}}, np.array([1, 8])))
    assert found == {"outside_trained_range": 0.0, "farthest_outside_A": 0.0, "farthest_frames": []}
    assert capsys.readouterr().out == ""
