"""What moves in a band, told three ways: by class of motion, by atom, by normal mode of each conformer."""

from typing import Any

import numpy as np

from painn_spectra.spectra import assignment, mode_shares
from painn_spectra.spectra.assignment import SHOWN_SHARE, atom_labels, class_densities
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.mode_shares import mode_densities, run_modes
from painn_spectra.spectra.power import atom_weights, mode_density, velocity_chunks
from painn_spectra.spectra.series import Array, Series

HEADING = [*assignment.HEADING, "atom_shares", *mode_shares.HEADING]


class Motions:
    """Power spectra of a vibrating molecule's parts, summed up replica by replica."""

    def __init__(self, series: Series, estimator: Estimator) -> None:
        """Of a series that `can_assign`; modes where the model's conformers are known."""
        assert series.numbers is not None and series.masses_amu is not None
        self.estimator = estimator
        self.atoms = atom_labels(series.numbers, series.masses_amu)
        self.run_modes = run_modes(series)
        self.of_classes: dict[str, Array] = {}  # name -> (n_wavenumbers,)
        self.of_atoms: Array = np.zeros(len(self.atoms))[:, None]  # (n_atoms, n_wavenumbers)
        self.of_modes: Array = np.zeros((1, 1, 1))  # (n_distinct, n_modes, n_wavenumbers)

    def add(self, series: Series, replica: int) -> None:
        """Add a replica's motion, in the Eckart frame."""
        for name, density in class_densities(series, replica, self.estimator).items():
            self.of_classes[name] = self.of_classes.get(name, 0.0) + density
        assert series.masses_amu is not None
        velocities, weights = velocity_chunks(series, replica, internal=True), atom_weights(series.masses_amu)
        known = series.temperature_K, self.estimator, series.n_samples
        self.of_atoms = self.of_atoms + mode_density(velocities, weights, *known)
        if self.run_modes is not None:
            self.of_modes = self.of_modes + mode_densities(series, replica, self.run_modes, self.estimator)

    def cells(self, lower_cm: float, upper_cm: float) -> list[str]:
        """What stands under HEADING for the band between two wavenumbers."""
        where = self.estimator.wavenumber_cm, self.of_classes, lower_cm, upper_cm
        atoms = [
            f"{name} {share:.2f}" for name, share in self._atoms(lower_cm, upper_cm) if share >= SHOWN_SHARE
        ]
        return [
            *assignment.assignment(*where),
            "; ".join(atoms),
            *mode_shares.cells(self._modes(lower_cm, upper_cm)),
        ]

    def listed(self, lower_cm: float, upper_cm: float) -> dict[str, Any]:
        """The same, JSON-able: shares of classes, atoms and normal modes."""
        classes = assignment.shares(self.estimator.wavenumber_cm, self.of_classes, lower_cm, upper_cm)
        return {
            "class_shares": {name: round(share, 4) for name, share in classes},
            "atom_shares": {name: round(share, 4) for name, share in self._atoms(lower_cm, upper_cm)},
            "normal_mode_shares": mode_shares.listed(self._modes(lower_cm, upper_cm)),
        }

    def _atoms(self, lower_cm: float, upper_cm: float) -> list[tuple[str, float]]:
        densities = dict(zip(self.atoms, self.of_atoms, strict=True))
        return assignment.shares(self.estimator.wavenumber_cm, densities, lower_cm, upper_cm)

    def _modes(self, lower_cm: float, upper_cm: float) -> list[mode_shares.Share]:
        if self.run_modes is None:
            return []
        return mode_shares.shares(
            self.run_modes, self.estimator.wavenumber_cm, self.of_modes, lower_cm, upper_cm
        )
