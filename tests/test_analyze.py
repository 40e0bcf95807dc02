"""`painn-spectra analyze`: every format gives the workflow's numbers, any mistake one line."""

import json

import h5py
import numpy as np
import pytest
from toy_trajectory import OUTPUTS, write_trajectory

from painn_spectra.cli import main
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra import series as series_module
from painn_spectra.spectra.csv_files import read_spectrum, read_table
from painn_spectra.spectra.spectrum import compute_spectra

ALPHA = [f"alpha_{a}{b}" for a in "xyz" for b in "xyz"]
SIX = ["alpha_zz", "alpha_xx", "alpha_yx", "alpha_yy", "alpha_zy", "alpha_xz"]  # any order, either triangle


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The toy trajectory, its arrays, and what the spectra stage makes of it."""
    folder = tmp_path_factory.mktemp("toy")
    path = write_trajectory(folder / "toy.h5")
    compute_spectra(path, *(folder / name for name in OUTPUTS), SpectraSettings(fwhm_cm=20.0))
    with h5py.File(path) as file:
        return folder, {name: file[name][:].astype(float) for name in ("dipole", "polarizability")}


@pytest.fixture(autouse=True)
def no_figures(request, monkeypatch):
    """Drawing takes seconds: once is enough."""
    if request.function is not test_all_files_are_there:
        for kind in ("infrared", "raman"):
            monkeypatch.setattr(f"painn_spectra.spectra.figures.draw_{kind}", lambda *_, **__: None)


def run(*arguments, timestep="1", fwhm="20"):
    """Exit code of the command with the toy's sampling."""
    told = ["--timestep-fs", timestep, "--temperature-K", "300", "--fwhm-cm", fwhm]
    return main(["analyze", *map(str, arguments), *told])


def columns(path):
    return read_spectrum(path)[1]


def assert_same(first, second, rtol=1e-6):
    one, other = columns(first), columns(second)
    assert list(one) == list(other)
    for name in one:
        scale = np.nanmax(np.abs(other[name]), initial=0)
        np.testing.assert_allclose(one[name], other[name], rtol=rtol, atol=rtol * scale, err_msg=name)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("chunk_bytes", [1 << 23, 3 * 8 * 333])
def test_archives_give_the_numbers_of_the_stage(toy, tmp_path, save, chunk_bytes, monkeypatch):
    folder, arrays = toy
    monkeypatch.setattr(series_module, "CHUNK_BYTES", chunk_bytes)
    save(tmp_path / "all.npz", **arrays)
    assert run(tmp_path / "all.npz", "--integrator-timestep-fs", "0.5", "--out", tmp_path / "out") == 0
    for name in ("ir.csv", "raman.csv"):
        assert_same(tmp_path / "out" / name, folder / name)


FORMATS = ("svg", "pdf", "png")


def test_all_files_are_there(toy, tmp_path):
    np.savez(tmp_path / "all.npz", **toy[1])
    assert run(tmp_path / "all.npz", "--out", tmp_path / "out") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{kind}{ending}"
        for kind in ("ir", "raman")
        for ending in (
            ".csv",
            ".jdx",
            ".json",
            ".svg",
            ".pdf",
            ".png",
            "-column.svg",
            "-column.pdf",
            "-column.png",
        )
    } | {"bands.csv", "bands.json", "replicas.npz"}


def test_own_trajectory_knows_its_sampling_and_may_be_overruled(toy, tmp_path):
    folder, _ = toy
    assert main(["analyze", str(folder / "toy.h5"), "--fwhm-cm", "20", "--out", str(tmp_path / "a")]) == 0
    assert (tmp_path / "a/ir.csv").read_bytes() == (folder / "ir.csv").read_bytes()
    told = ["--fwhm-cm", "20", "--temperature-K", "150", "--out", str(tmp_path / "b")]
    assert main(["analyze", str(folder / "toy.h5"), *told]) == 0
    name = "ir_km_mol-1_per_cm-1"
    np.testing.assert_allclose(
        columns(tmp_path / "b/ir.csv")[name], 2 * columns(folder / "ir.csv")[name], rtol=1e-7
    )


@pytest.mark.parametrize("style", ["nine", "six", "commas", "with time"])
def test_columns_of_text(toy, tmp_path, style):
    folder, arrays = toy
    names = ["mu_x", "mu_y", "mu_z", *(SIX if style == "six" else ALPHA)]
    files = []
    for replica in range(3):
        alpha = arrays["polarizability"][replica]
        if style == "six":
            table = np.stack([alpha[:, "xyz".index(n[6]), "xyz".index(n[7])] for n in SIX], 1)
        else:
            table = alpha.reshape(-1, 9)
        table = np.hstack([arrays["dipole"][replica], table])
        heading = names
        if style == "with time":
            heading, table = ["time_fs", *names], np.hstack([np.arange(len(table))[:, None], table])
        comma = style == "commas"
        files.append(tmp_path / f"{replica}.dat")
        np.savetxt(files[-1], table, header=" ".join(heading) if not comma else ",".join(heading),
                   delimiter="," if comma else " ", comments="" if comma else "# ")  # fmt: skip
    assert run(*files, "--integrator-timestep-fs", "0.5", "--out", tmp_path / "out") == 0
    for name in ("ir.csv", "raman.csv"):
        assert_same(tmp_path / "out" / name, folder / name)


@pytest.mark.parametrize(("kept", "absent"), [("dipole", "raman"), ("polarizability", "ir")])
def test_one_property_gives_one_spectrum_and_one_replica_no_error(toy, tmp_path, capsys, kept, absent):
    np.savez(tmp_path / "one.npz", **{kept: toy[1][kept][0]})
    assert run(tmp_path / "one.npz", "--out", tmp_path) == 0
    assert "no error bars" in capsys.readouterr().out
    assert not list(tmp_path.glob(f"{absent}.*"))
    metadata, found = read_spectrum(tmp_path / ("ir.csv" if kept == "dipole" else "raman.csv"))
    assert metadata["error"].startswith("none: ")
    assert "NOT removed" in metadata["corrections"]
    assert all(np.isnan(values).all() for name, values in found.items() if name.endswith("error"))
    _, rows = read_table(tmp_path / "bands.csv")
    assert len(rows) == 1 and rows[0]["area_standard_error"] == "nan"


def test_json_holds_the_columns_of_the_table(toy):
    folder, _ = toy
    for kind in ("ir", "raman"):
        metadata, table = read_spectrum(folder / f"{kind}.csv")
        held = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))
        assert held["metadata"] == metadata
        assert list(held["columns"]) == list(table)
        for name, values in held["columns"].items():
            np.testing.assert_array_equal(np.array(values, dtype=float), table[name])


def test_hann_window_has_the_stated_width(toy, tmp_path):
    np.savez(tmp_path / "mu.npz", dipole=toy[1]["dipole"])
    for window in ("gaussian", "hann"):
        assert run(tmp_path / "mu.npz", "--window", window, "--out", tmp_path / window) == 0
        _, (band,) = read_table(tmp_path / window / "bands.csv")
        assert float(band["fwhm_cm-1"]) == pytest.approx(20.0, rel=0.02)
        assert float(band["area"]) == pytest.approx(
            float(read_table(toy[0] / "bands.csv")[1][0]["area"]), rel=0.01
        )


MU = np.zeros((3, 2500, 3))
COLUMNS = "mu_x mu_y mu_z\n"


def spoilt(index):
    mu = MU.copy()
    mu[index] = np.nan
    return mu


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1, None), (4, "0 to 4"), (-1, "0 to -1"), (1.2, "0 to 1.2"), (np.nan, "nan to nan")],
)
def test_times_agree_with_the_interval(tmp_path, capsys, monkeypatch, factor, words):
    monkeypatch.setattr("painn_spectra.spectra.text_file.ROWS", 700)
    path = tmp_path / "a.dat"
    table = np.column_stack([factor * np.arange(MU.shape[1]), MU[0]])
    np.savetxt(path, table, header="time_fs mu_x mu_y mu_z", comments="", fmt="%.4g")
    assert run(path, "--out", tmp_path / "out") == (2 if words else 0)
    told = capsys.readouterr().err
    assert words is None or f"time_fs goes from {words} near sample 0, but samples are 1 fs apart" in told


def test_an_archive_names_its_atoms(tmp_path):
    np.savez(tmp_path / "a.npz", dipole=MU, numbers=[8, 1, 1])
    assert run(tmp_path / "a.npz", "--out", tmp_path / "out") == 0
    assert read_spectrum(tmp_path / "out/ir.csv")[0]["formula"] == "H2O"


def test_results_are_those_of_the_last_run_alone(toy, tmp_path):
    _, arrays = toy
    np.savez(tmp_path / "both.npz", **arrays)
    np.savez(tmp_path / "one.npz", dipole=arrays["dipole"])
    (tmp_path / "raman-notes.csv").write_text("mine", encoding="utf-8")
    assert run(tmp_path / "both.npz", "--out", tmp_path) == 0
    assert (tmp_path / "raman.json").is_file()
    assert run(tmp_path / "one.npz", "--out", tmp_path) == 0
    assert sorted(path.name for path in tmp_path.glob("raman*")) == ["raman-notes.csv"]


def test_no_input_is_overwritten_or_counted_twice(tmp_path, capsys):
    np.savez(tmp_path / "replicas.npz", dipole=MU)
    assert run(tmp_path / "replicas.npz", "--out", tmp_path) == 2
    assert "would be overwritten by the results; give another folder" in capsys.readouterr().err
    assert run(tmp_path / "replicas.npz", tmp_path / "../x" / ".." / tmp_path.name / "replicas.npz",
               "--out", tmp_path / "out") == 2  # fmt: skip
    assert "is given twice" in capsys.readouterr().err
    assert run(tmp_path / "replicas.npz", "--model", "m.pt", "--out", tmp_path / "out") == 2
    assert "--model m.pt: is for geometries" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npz", {"dipole": np.zeros((4, 3, 2500))}, ["(4, 3, 2500)", "(n_replicas, n_samples, 3)"]),
        ("a.npz", {"polarizability": np.zeros((2, 2500, 9))}, ["(2, 2500, 9)", "n_samples, 3, 3"]),
        ("a.npz", {"dipole": MU, "polarizability": np.zeros((3, 2499, 3, 3))}, ["samples differ"]),
        ("a.npz", {"dipole": MU[:, :0]}, ["(3, 0, 3)"]),
        ("a.npz", {"mu": MU}, ["neither 'dipole' nor 'polarizability'", "mu"]),
        ("a.npz", {"dipole": spoilt((1, 77))}, ["dipole of replica 1", "from sample 77"]),
        ("a.npz", {"dipole": np.full((50, 3), None)}, ["pickled", "np.savez"]),
        ("a.npz", {"dipole": MU.astype(complex)}, ["complex128", "not real"]),
        ("a.npz", {"dipole": np.asfortranarray(MU)}, ["Fortran", "ascontiguousarray"]),
        ("a.npz", {"dipole": MU[:, :100]}, ["0.10 ps are too short for --fwhm-cm = 20", "set 375"]),
        ("a.npz", {"dipole": MU, "masses_amu": np.array([1.0, -1])}, ["masses", "positive"]),
        ("a.npz", {"dipole": MU, "numbers": np.array([1.5, 8])}, ["not atomic numbers"]),
        ("a.npz", {"dipole": MU, "numbers": np.array([])}, ["not atomic numbers"]),
        ("a.npz", {"dipole": MU, "numbers": np.array(["O", "H"])}, ["'numbers' is <U1, not real numbers"]),
        ("a.npz", b"", ["empty"]),
        ("a.npz", b"no archive", ["damaged or not .npz"]),
        ("a.npz", None, ["no such file"]),
        ("a.dat", "", ["empty"]),
        ("a.dat", COLUMNS, ["heading without numbers"]),
        ("a.dat", "1 2 3\n" * 9, ["no names"]),
        ("a.dat", "time\n1\n", ["no dipole or polarizability"]),
        ("a.dat", "mu_x mu_y\n1 2\n", ["mu_z is missing"]),
        ("a.dat", "alpha_xx alpha_yy alpha_zz alpha_xy alpha_xz\n", ["alpha_yz is missing"]),
        ("a.dat", "mu_x mu_x mu_y mu_z\n1 1 1 1\n", ["mu_x", "twice"]),
        ("a.dat", COLUMNS + "1 2 3\n1 2\n", ["not a table", "from 3 to 2"]),
        ("a.dat", COLUMNS + "1 2 3 4\n", ["4 columns", "3 names"]),
        ("a.dat", COLUMNS + "1 2 three\n", ["not a table", "three"]),
        ("a.dat", COLUMNS + "1 2 nan\n" * 2500, ["not finite from sample 0"]),
        ("a.dat", b"\xff\xfe\x00", ["not a text file"]),
        ("a.dat", None, ["no such file"]),
        ("a.xyz", "1\n\nH 0 0 0\n", ["--model"]),
        ("a.h5", b"nonsense", ["not HDF5"]),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(tmp_path, capsys, name, content, words):
    path = tmp_path / name
    if isinstance(content, dict):
        np.savez(path, **content, allow_pickle=True)
    elif content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert run(path, "--out", tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert told.startswith("painn-spectra: error: ") and told.count("\n") == 1
    for word in words:
        assert word in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--timestep-fs", "3"], ["--max-wavenumber-cm = 4000", "3336 cm-1"]),
        (["--timestep-fs", "0"], ["--timestep-fs", "'0'", "positive"]),
        (["--temperature-K", "-5"], ["--temperature-K", "positive"]),
        (["--fwhm-cm", "500"], ["--fwhm-cm = 500", "use at most 390"]),
        (["--laser-nm", "3000"], ["--laser-nm = 3000"]),
        (["--fwhm-cm", "-1"], ["fwhm_cm", "greater than 0"]),
        (["--window", "boxcar"], ["--window", "hann"]),
        (["--integrator-timestep-fs", "2"], ["integrator_timestep_fs = 2"]),
    ],
)
def test_options_that_cannot_be(toy, tmp_path, capsys, arguments, words):
    np.savez(tmp_path / "a.npz", dipole=toy[1]["dipole"])
    told = ["--timestep-fs", "1", "--temperature-K", "300", "--fwhm-cm", "20", "--out", str(tmp_path / "out")]
    assert main(["analyze", str(tmp_path / "a.npz"), *told, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error


def test_sampling_must_be_told(toy, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", dipole=toy[1]["dipole"])
    assert main(["analyze", str(tmp_path / "a.npz"), "--out", str(tmp_path), "--timestep-fs", "1"]) == 2
    assert "--temperature-K" in capsys.readouterr().err


def test_files_that_do_not_belong_together(toy, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", dipole=toy[1]["dipole"])
    np.savez(tmp_path / "b.npz", dipole=toy[1]["dipole"][:, :2400])
    np.savez(tmp_path / "c.npz", polarizability=toy[1]["polarizability"])
    for other, word in (("b.npz", "n_samples = 2400, but 2500"), ("c.npz", "holds polarizability, but")):
        assert run(tmp_path / "a.npz", tmp_path / other, "--out", tmp_path / "out") == 2
        assert word in capsys.readouterr().err


def test_damaged_archive(toy, tmp_path, capsys):
    path = tmp_path / "a.npz"
    np.savez(path, dipole=toy[1]["dipole"])
    content = bytearray(path.read_bytes())
    content[5000] ^= 0xFF
    path.write_bytes(content)
    assert run(path, "--out", tmp_path / "out") == 2
    assert "damaged" in capsys.readouterr().err


def test_two_molecules_are_not_one(toy, tmp_path, capsys):
    _, arrays = toy
    for name, scale in (("light", 1.0), ("heavy", 2.0)):
        masses = scale * np.array([16.0, 1.0, 1.0])
        np.savez(tmp_path / f"{name}.npz", dipole=scale * arrays["dipole"], masses_amu=masses)
    assert run(tmp_path / "light.npz", tmp_path / "heavy.npz", "--out", tmp_path / "out") == 2
    assert "heavy.npz: atoms or masses differ from" in capsys.readouterr().err


def test_numbers_whose_squares_overflow_and_options_in_their_own_words(toy, tmp_path, capsys):
    _, arrays = toy
    np.savez(tmp_path / "huge.npz", dipole=1e160 * arrays["dipole"])
    assert run(tmp_path / "huge.npz", "--out", tmp_path / "out") == 2
    assert "is not finite from sample 0 on, or beyond 1e+12" in capsys.readouterr().err
    np.savez(tmp_path / "plain.npz", dipole=arrays["dipole"])
    assert run(tmp_path / "plain.npz", "--rotation", "removed", "--out", tmp_path / "out") == 2
    assert "--rotation removed needs positions at every sample" in capsys.readouterr().err


def test_replicas_are_independent(toy, tmp_path, capsys):
    _, arrays = toy
    np.savez(tmp_path / "copies.npz", dipole=arrays["dipole"][[0, 1, 0]])
    assert run(tmp_path / "copies.npz", "--out", tmp_path / "out") == 2
    assert "replicas 0 and 2, counted through all files, are the same series" in capsys.readouterr().err
    np.savez(tmp_path / "silent.npz", dipole=np.zeros_like(arrays["dipole"]))  # hydrogen's
    assert run(tmp_path / "silent.npz", "--out", tmp_path / "out") == 0
