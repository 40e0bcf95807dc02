"""The comparison with i-PI: its statistics against scipy's, its reading against files made by hand."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.ipi_comparison import (
    BOHR_A,
    KINETIC,
    LIMIT,
    POTENTIAL,
    deviate,
    options,
    rows_of,
    samples_beside,
    table,
)
from painn_spectra.spectra.intervals import ratio_of_means
from painn_spectra.units import BOLTZMANN_EV_K, LIGHT_CM_FS


@pytest.fixture
def chosen(tmp_path: Path):
    program = tmp_path / "i-pi"
    program.touch()
    return options(["--model", str(tmp_path / "a/b/c/model.pt"), "--ipi", str(program), "--runs", "4"])


def test_deviates_are_welchs() -> None:
    rng = np.random.default_rng(0)
    for size, shift in ((1.0, 0.0), (4.0, 2.0), (0.3, 6.0)):
        one, other = rng.normal(size=5), shift + size * rng.normal(size=5)
        probability = stats.ttest_ind(one, other, equal_var=False).pvalue
        found = deviate(ratio_of_means(one), ratio_of_means(other), 5)
        assert found == pytest.approx(stats.norm.isf(probability / 2))


def test_files_of_ipi_are_read(tmp_path: Path) -> None:
    """Means over beads, without the start, in our units; the centre of mass has no energy."""
    for run in range(2):
        folder = tmp_path / f"{run:02d}"
        folder.mkdir()
        energies = np.array([[-7.0, 9.0], [-10.0 - run, 1.0], [-12.0 - run, 3.0]])
        np.savetxt(folder / "trpmd.out", energies, header="column 1 --> potential")
        for bead in range(2):
            rows = [f"#EXTRAS(dipole)# Step: {k}\n {k} {bead} {2 * bead + run}" for k in range(3)]
            (folder / f"trpmd.dipole_{bead}").write_text("\n".join(rows) + "\n")
    potential, kinetic, dipole = samples_beside(sorted(tmp_path.iterdir()), 300.0)
    assert potential == pytest.approx(np.array([[-10, -12], [-11, -13]]))
    assert kinetic[1] == pytest.approx(np.array([1, 3]) - 1.5 * BOLTZMANN_EV_K * 300)
    assert dipole[1] == pytest.approx(np.array([[1, 0.5, 2], [2, 0.5, 2]]) * BOHR_A)


def test_a_shifted_band_is_seen(chosen) -> None:
    """Two programs that differ by 40 cm⁻¹ in one band and by nothing else."""

    def runs(seed: int, place_cm: float):
        rng = np.random.default_rng(seed)
        times_fs = np.arange(2000.0)
        lines = np.array([place_cm, 2950.0]) + 8 * rng.normal(size=(4, 2))
        dipole = np.zeros((4, 2000, 3))
        for axis in range(2):
            phase = 2 * np.pi * LIGHT_CM_FS * lines[:, axis, None] * times_fs
            dipole[:, :, axis] = 0.01 * np.sin(phase)
        energies = rng.normal(size=(2, 4, 2000)) + np.array([-4214.5, 0.9])[:, None, None]
        return rows_of((*energies, dipole), chosen)

    told, worst = table(runs(1, 3600.0), runs(2, 3600.0), 4)
    assert worst < LIMIT and "| potential energy +4215 eV | 0.4885 ± " in told
    rows = runs(1, 3600.0)
    assert set(rows) > {POTENTIAL, KINETIC} and len(rows) == 4
    # half a femtosecond shows 3585 at 3600 cm⁻¹
    assert next(v.value for k, v in rows.items() if "O–H" in k) == pytest.approx(3585, abs=3 * 4)
    told, _ = table(runs(1, 3600.0), runs(2, 3640.0), 4)
    deviates = {line.split("|")[1].split()[0]: float(line.split("|")[-2]) for line in told.splitlines()[2:]}
    assert deviates["O–H"] > 2.5 > max(deviates["C–H"], deviates["kinetic"])


def test_too_short_or_single_runs_are_refused(chosen, tmp_path: Path, capsys) -> None:
    common = ["--model", "model.pt", "--ipi", str(tmp_path / "i-pi")]
    for more, words in (
        (["--runs", "1"], "a single run has no error"),
        (["--production-ps", "0.3"], "50 cm-1 need 0.67 or more"),
        (["--ipi", str(tmp_path / "none")], "no such program"),
    ):
        with pytest.raises(SystemExit) as ended:
            options(common + more)
        assert ended.value.code == 2
        assert words in capsys.readouterr().err
