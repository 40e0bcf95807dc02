"""The package as a library: names that load on first use, the same for type checkers, and the examples."""

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_masses
from small_model import two_molecules, write_model
from toy_potentials import GEOMETRIES, Toy, load_toy, write_inputs

import painn_spectra
from painn_spectra import infrared_columns, raman_columns, spectra_from_arrays
from painn_spectra.cli import main
from painn_spectra.errors import InputError
from painn_spectra.md.minima import hessian, surface
from painn_spectra.normal_modes import normal_modes
from painn_spectra.spectra.csv_files import read_spectrum

ROOT = Path(__file__).parents[1]


def example(name):
    """The module of examples/<name>.py."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_name_loads_and_is_told_to_type_checkers():
    stub = Path(painn_spectra.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    told = re.findall(r"^from ([\w.]+) import (\w+) as \2$", stub, flags=re.MULTILINE)
    assert sorted(name for _, name in told) == painn_spectra.__all__
    for home, name in told:
        assert getattr(painn_spectra, name) is getattr(importlib.import_module(home), name)
    assert Path(painn_spectra.__file__).with_name("py.typed").exists()
    with pytest.raises(AttributeError, match="no attribute 'fly'; it has"):
        painn_spectra.fly  # noqa: B018


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, painn_spectra; print({'torch', 'ase', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    alpha = rng.standard_normal((2, 2000, 3, 3))
    return rng.standard_normal((2, 2000, 3)), alpha + alpha.transpose(0, 1, 3, 2)


def test_arrays_give_the_numbers_of_the_command(arrays, tmp_path, monkeypatch):
    for kind in ("infrared", "raman"):  # drawing takes seconds
        monkeypatch.setattr(f"painn_spectra.spectra.figures.draw_{kind}", lambda *_, **__: None)
    dipole, alpha = arrays
    np.savez(tmp_path / "run.npz", dipole=dipole, polarizability=alpha)
    options = ["--timestep-fs", "1", "--temperature-K", "250", "--fwhm-cm", "30"]
    assert main(["analyze", str(tmp_path / "run.npz"), *options, "--out", str(tmp_path)]) == 0
    spectra = spectra_from_arrays(dipole, alpha, sample_interval_fs=1, temperature_K=250, fwhm_cm=30)
    for name, columns in (("ir", infrared_columns(spectra)), ("raman", raman_columns(spectra))):
        written = read_spectrum(tmp_path / f"{name}.csv")[1]
        for heading, values in columns.items():
            assert written[heading] == pytest.approx(values, rel=1e-6, nan_ok=True), heading


def test_one_replica_may_come_without_its_axis(arrays):
    how = {"sample_interval_fs": 1, "temperature_K": 300, "fwhm_cm": 30}
    one, other = (spectra_from_arrays(dipole, **how) for dipole in (arrays[0][0], arrays[0][:1]))
    assert np.array_equal(one.infrared, other.infrared)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dipole": np.zeros((2, 50, 3))}, "too short"),
        ({"dipole": None}, "neither dipole nor polarizability"),
        ({"fwhm": 30}, "fwhm: unknown setting"),
        ({"dipole": np.full((1, 4000, 3), np.nan)}, "not finite from sample 0"),
    ],
)
def test_bad_arrays_are_one_line(arrays, change, words):
    with pytest.raises(InputError, match=words):
        spectra_from_arrays(**{"dipole": arrays[0], "sample_interval_fs": 1, "temperature_K": 300, **change})


def test_example_of_arrays_finds_the_area():
    found, expected = example("spectrum_from_arrays").main()
    # an exponential energy per replica: a relative standard error of 1/√8, at three sigma
    assert abs(found / expected - 1) < 3 / np.sqrt(8)


def test_example_of_ase_relaxes(tmp_path):
    two_molecules()[0].write(tmp_path / "water.xyz")
    atoms = example("relax_with_ase").main(
        str(write_model(tmp_path / "model.pt")), str(tmp_path / "water.xyz"), 3
    )
    assert atoms.calc.results["polarizability"].shape == (3, 3)


def test_example_of_dynamics_writes_spectra(tmp_path):
    model, dataset = write_inputs(tmp_path, "water")
    main_ = example("dynamics_to_spectra").main
    short = {"n_replicas": 2, "production_ps": 0.5, "threads": 1}
    main_(str(model), str(dataset), str(tmp_path / "out"), load=load_toy, **short)
    nu, density, _ = read_spectrum(tmp_path / "out/ir.csv")[1].values()
    vibrations = nu > 1000  # below, the molecule turns
    brightest = nu[vibrations][density[vibrations].argmax()]
    numbers, geometry = np.array([8, 1, 1]), np.array(GEOMETRIES["water"][1])
    curvature = hessian(surface(Toy("water").double(), numbers), geometry)
    harmonic, _ = normal_modes(curvature, geometry, atomic_masses[numbers])
    # resolution of so short a run, and half the distance of P and R branches, √(8 B kT) with B near 17 cm⁻¹
    assert np.abs(harmonic - brightest).min() < 80 + np.sqrt(8 * 17 * 208.5) / 2
