"""PaiNN trained on GFN2-xTB against GFN2-xTB in the harmonic approximation: the comparison without sampling.

    python -m benchmarks.validation.direct_harmonic [--model MODEL]

Both relax from the same geometries; conformers that are reached twice count once. Sticks of mixed modes share
their intensity at will, so intensities are compared after convolution to 25 cm⁻¹.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.validation.direct import FWHM_CM, cosine
from benchmarks.validation.quadratic import harmonic
from benchmarks.validation.runs import DATASET, MODEL
from benchmarks.validation.table import Row, save
from benchmarks.validation.xtb_potential import TightBinding
from painn_spectra.dataset import read_atoms
from painn_spectra.md.starts import diverse
from painn_spectra.model.checkpoint import load_model
from painn_spectra.spectra.harmonic import Sticks

CHECK, N_GEOMETRIES, SAME_CM = "harmonic, PaiNN against GFN2-xTB", 5, 1.0


def convolved(sticks: Sticks, intensities: np.ndarray) -> np.ndarray:
    """Gaussians of FWHM_CM on 100–4000 cm⁻¹."""
    nu = np.arange(100.0, 4000.0, 2.5)
    width_cm = FWHM_CM / np.sqrt(8 * np.log(2))
    return intensities @ np.exp(-0.5 * ((nu - sticks.wavenumber_cm[:, None]) / width_cm) ** 2)


def rows(model: Path = MODEL) -> list[Row]:
    """Per conformer: frequencies, and the curves' cosines; none without the model."""
    if not model.exists():
        return []
    reference, trained = TightBinding(), load_model(model).double().eval()
    frames = np.array([atoms.positions for atoms in read_atoms(DATASET)])
    known: list[np.ndarray] = []
    result = []
    for k in diverse(frames, N_GEOMETRIES):
        one, other = (harmonic(potential, frames[k]).sticks for potential in (reference, trained))
        nu = one.wavenumber_cm
        if nu[0] < 0 or any(np.abs(nu - before).max() < SAME_CM for before in known):
            continue
        known.append(nu)
        words = f"conformer {len(known)}"
        off = np.abs(other.wavenumber_cm - nu)
        result += [
            Row(CHECK, f"{words}: mean deviation of {len(nu)} modes", float(off.mean()), "cm⁻¹", 5),
            Row(CHECK, f"{words}: largest, at {nu[off.argmax()]:.0f}", float(off.max()), "cm⁻¹", 15),
        ]
        for name, kind in (("IR", "infrared"), ("Raman", "activity")):
            here, there = getattr(one, kind), getattr(other, kind)
            alike = float(cosine(convolved(one, here), convolved(other, there)))
            result += [
                Row(CHECK, f"{words}: {name}, cosine at 25 cm⁻¹", alike, "", 0.98, at_least=True),
                Row(CHECK, f"{words}: {name}, whole intensity, model/reference", there.sum() / here.sum()),
            ]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL)
    save("direct_harmonic", rows(parser.parse_args().model))


if __name__ == "__main__":
    main()
