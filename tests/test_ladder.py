"""The ladder: positions of made-up bands come back, every step is named, and what is missing is left out."""

import json

import numpy as np
import pytest

from painn_spectra.cli import main
from painn_spectra.errors import InputError
from painn_spectra.settings.molecule import Experiment
from painn_spectra.spectra.csv_files import read_table, write_table
from painn_spectra.spectra.ladder import ladder_stage, read_rungs

BANDS = (
    "spectrum,phase,position_cm-1,lower_cm-1,upper_cm-1,area_km_mol-1,assignment,source\n"
    "ir,vapour,3660,3500,4000,24,O-H stretch,made up\n"
    "ir,vapour,1050,950,1150,100,C-O stretch,made up\n"
)
OH = {"reference": 3870.0, "model": 3875.0, "vpt2": 3690.0, "classical": 3850.0, "trpmd16": 3715.0}
CO = 1060.0
NU = np.arange(100.0, 4001.0, 2.0)


@pytest.fixture
def results(tmp_path):
    """A folder with sticks and Gaussian bands at known places."""
    rng = np.random.default_rng(0)
    (tmp_path / "harmonic").mkdir()
    for name in ("reference", "model", "vpt2"):
        rows = [[0, 0.4, OH[name] - 6, 20.0], [1, 0.6, OH[name] + 4, 20.0], [0, 1.0, CO, 90.0]]
        heading = ["conformer", "quantum_weight", "wavenumber_cm-1", "ir_km_mol-1"]
        write_table(tmp_path / "harmonic" / f"{name}.csv", {}, heading, rows)
    for name in ("classical", "trpmd16"):
        folder = tmp_path / name
        folder.mkdir()
        shapes = [np.exp(-0.5 * ((NU - at) / 15) ** 2) for at in (OH[name], CO)]
        density = np.array([shapes[0] * rng.gamma(4) + 4 * shapes[1] * rng.gamma(4) for _ in range(8)])
        np.savez(
            folder / "replicas.npz", wavenumber_cm=NU, ir=density, isotropic=density, anisotropic=density
        )
        notes = {"molecule": "toy", "temperature_K": "300", "n_replicas": "8"}
        write_table(folder / "ir.csv", notes, ["wavenumber_cm-1", "x"], [[1.0, 2.0]])
        seconds = 0.016 if name == "trpmd16" else 0.001
        told = {"seconds_per_step": seconds, "n_replicas": 8, "timestep_fs": 0.5}
        (folder / "dynamics.json").write_text(json.dumps(told))
    (tmp_path / "bands.csv").write_text(BANDS)
    return tmp_path


def test_positions_and_steps(results):
    table = results / "ladder.csv"
    bands = json.dumps({"bands": str(results / "bands.csv")})
    command = ["ladder", "--settings", bands, str(results), str(table), str(results / "figures")]
    assert main([*command, "--dynamics", "classical", "trpmd16"]) == 0
    _, rows = read_table(table)
    of_band = {row["rung"]: row for row in rows if row["band"] == "O-H stretch"}
    assert list(of_band) == [
        "harmonic, labels' method", "harmonic, model", "VPT2", "classical", "TRPMD, 16 beads", "experiment",
    ]  # fmt: skip
    for row, name in zip(of_band.values(), OH, strict=False):
        assert float(row["centroid_cm-1"]) == pytest.approx(OH[name], abs=0.5)
    assert float(of_band["harmonic, model"]["step_cm-1"]) == pytest.approx(5)
    assert float(of_band["VPT2"]["step_cm-1"]) == pytest.approx(-185)
    assert float(of_band["TRPMD, 16 beads"]["step_cm-1"]) == pytest.approx(-135, abs=1)
    assert of_band["TRPMD, 16 beads"]["from"] == "classical"
    assert "quantum nuclei" in of_band["TRPMD, 16 beads"]["step"]
    assert float(of_band["TRPMD, 16 beads"]["cost_of_classical"]) == pytest.approx(16)
    assert float(of_band["classical"]["core_seconds_per_replica_ps"]) == pytest.approx(0.25)
    assert all(row["step"] for row in rows if row["rung"] != "harmonic, labels' method")
    assert float(of_band["experiment"]["centroid_cm-1"]) == 3660
    assert (results / "figures/ladder.svg").stat().st_size > 0


def test_missing_rungs_are_left_out(results):
    (results / "harmonic/reference.csv").unlink()
    (results / "harmonic/vpt2.csv").unlink()
    rungs = read_rungs(results, ["trpmd16"])
    assert [(rung.name, rung.below) for rung in rungs] == [("model", ""), ("trpmd16", "model")]
    ladder_stage(results, results / "l.csv", results / "figures", Experiment(), ["trpmd16"])
    _, rows = read_table(results / "l.csv")
    assert {row["rung"] for row in rows} == {"harmonic, model", "TRPMD, 16 beads"}  # windows of its own bands
    assert min(abs(float(row["lower_cm-1"]) - 3715) for row in rows) < 100


def test_no_spectra_is_one_line(results, capsys):
    command = ["ladder", str(results), str(results / "l.csv"), str(results), "--dynamics", "rpmd"]
    assert main(command) == 2
    assert "no spectra of rpmd; run 'snakemake spectra' first" in capsys.readouterr().err
    with pytest.raises(InputError):
        read_rungs(results, [])
