"""Driving TRAVIS (Debian package `travis`): its questions, answered from a file; its spectra, read back.

Brehm, Thomas, Gehrke, Kirchner 2020, doi:10.1063/5.0005078.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from painn_spectra.units import DEBYE_EA

# 1 Å³ of polarizability volume is 4πε0 · 1e-30 m³; TRAVIS counts in e·pm²/V
A3_E_PM2_V = 694.4615


@dataclass(frozen=True)
class Spectrum:
    """One column that TRAVIS wrote."""

    wavenumber_cm: np.ndarray  # (n,) | cm⁻¹
    density: np.ndarray  # (n,) | unit of the file's heading
    heading: str


def available() -> bool:
    """Whether the program is installed."""
    return shutil.which("travis") is not None


def infrared(dipole: np.ndarray, interval_fs: float, depth: int, highest_cm: float) -> Spectrum:
    """IR spectrum, K·km/mol per cm⁻¹ (to be divided by the temperature). dipole: (n, 3) | e·Å.

    TRAVIS wants a trajectory beside the dipoles: a molecule that stands still does.
    """
    frame = "2\n\nO 5.0 5.0 5.0\nH 5.0 5.0 6.0\n"
    answers = [
        "n", "y", 2000, "n", "y", "ir", "y",  # no advanced mode, box in pm, molecules as found, IR, advanced
        interval_fs, "n", "", "y", 2, "dipole.txt", "n", "n",  # dipoles from a file, for this molecule
        depth, 1, 3 * depth, highest_cm, "y", "n", "n",  # cos² window, zeros, sinc², no ACF, no Verlet shift
        "n", "n", "n", 1, "", 1,  # no more observations, not the whole system; all frames
    ]  # fmt: skip
    files = {"dipole.txt": _columns(dipole / DEBYE_EA), "still.xyz": frame * len(dipole)}
    return _run(["-p", "still.xyz"], answers, files, ["ir_spectrum_HO.csv"])[0]


def raman(
    polarizability: np.ndarray, interval_fs: float, depth: int, highest_cm: float,
    laser_cm: float, temperature_K: float,
) -> list[Spectrum]:  # fmt: skip
    """Raman cross-sections: no analyser, parallel, perpendicular. polarizability: (n, 3, 3) | Å³."""
    answers = [
        1, 1, 0, A3_E_PM2_V, interval_fs,  # tensors from a text file, first column, no heading, unit
        depth, 1, 3 * depth, highest_cm, "y", "n", "y", "n",  # as above; the commutator is of no influence
        laser_cm, temperature_K, "y", temperature_K, "n",
    ]  # fmt: skip
    files = {"polarizability.txt": _columns(polarizability.reshape(-1, 9))}
    names = [f"spectrum_raman_{name}_import.csv" for name in ("unpol", "para", "ortho")]
    return _run(["-ramanfrompola", "polarizability.txt"], answers, files, names)


def _columns(series: np.ndarray) -> str:
    return "\n".join(" ".join(f"{value:.10f}" for value in row) for row in series) + "\n"


def _run(arguments: list[str], answers: list, files: dict[str, str], outputs: list[str]) -> list[Spectrum]:
    """Run it in a folder of its own: it writes logs where it stands, and settings into the home folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text)
        done = subprocess.run(
            ["travis", *arguments, "-nocolor"],
            cwd=folder, env=os.environ | {"HOME": name}, input="\n".join(map(str, answers)) + "\n",
            capture_output=True, text=True, errors="replace", timeout=300, check=False,
        )  # fmt: skip
        missing = [file for file in outputs if not (folder / file).exists()]
        if missing:
            raise RuntimeError(f"travis wrote no {missing[0]}:\n{done.stdout[-3000:]}")
        return [_read(folder / file) for file in outputs]


def _read(path: Path) -> Spectrum:
    heading = path.read_text().splitlines()[0]
    table = np.genfromtxt(path, delimiter=";", skip_header=1)
    return Spectrum(table[:, 0], table[:, 1], heading)
