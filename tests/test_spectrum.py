"""The spectra stage: files whole and readable, bad trajectories refused in one line."""

import json

import h5py
import numpy as np
import pytest
from toy_trajectory import LINE_CM, N_SAMPLES, OUTPUTS, write_trajectory

from painn_spectra.errors import InputError
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra import spectrum
from painn_spectra.spectra.csv_files import read_spectrum, read_table, write_table
from painn_spectra.spectra.measured import read_measured
from painn_spectra.spectra.spectrum import compute_spectra
from painn_spectra.units import AMU_E2_KM_MOL

SETTINGS = SpectraSettings(fwhm_cm=20.0)


@pytest.fixture
def trajectory(tmp_path):
    return write_trajectory(tmp_path / "trajectory.h5")


def run(trajectory, settings=SETTINGS, folder="out"):
    folder = trajectory.parent / folder
    compute_spectra(trajectory, *(folder / name for name in OUTPUTS), settings)
    return folder


def test_stage_writes_what_it_promises(trajectory):
    folder = run(trajectory)
    metadata, ir = read_spectrum(folder / "ir.csv")
    assert list(ir) == ["wavenumber_cm-1", "ir_km_mol-1_per_cm-1", "standard_error"]
    assert metadata["molecule"] == "toy"
    assert (metadata["temperature_K"], metadata["fwhm_cm"], metadata["laser_nm"]) == ("300", "20", "532")
    assert (metadata["n_replicas"], metadata["length_ps"]) == ("3", "2.5")
    _, raman = read_spectrum(folder / "raman.csv")
    assert list(raman) == [
        "wavenumber_cm-1",
        "isotropic_A4_amu-1_per_cm-1", "isotropic_standard_error",
        "anisotropic_A4_amu-1_per_cm-1", "anisotropic_standard_error",
        "activity_A4_amu-1_per_cm-1", "activity_standard_error",
        "cross_section_m2_sr-1_per_cm-1", "cross_section_standard_error",
        "parallel_m2_sr-1_per_cm-1", "parallel_standard_error",
        "perpendicular_m2_sr-1_per_cm-1", "perpendicular_standard_error",
        "natural_light_m2_sr-1_per_cm-1", "natural_light_standard_error",
        "photon_counting_m2_sr-1_per_cm-1", "photon_counting_standard_error",
    ]  # fmt: skip
    unpolarised, parallel, perpendicular = (
        raman[f"{name}_m2_sr-1_per_cm-1"] for name in ("cross_section", "parallel", "perpendicular")
    )
    np.testing.assert_allclose(unpolarised, parallel + perpendicular, rtol=1e-6)
    line = np.argmax(unpolarised)
    beta2, gamma2 = (2 / 3) ** 2, 7.0  # of diag(1, 2, −1)
    assert perpendicular[line] / parallel[line] == pytest.approx(
        3 * gamma2 / (45 * beta2 + 4 * gamma2), rel=1e-3
    )
    with np.load(folder / "replicas.npz") as replicas:
        assert replicas["ir"].dtype == np.float32
        np.testing.assert_allclose(
            replicas["ir"].mean(axis=0), ir["ir_km_mol-1_per_cm-1"], rtol=1e-5, atol=1e-9
        )
        np.testing.assert_allclose(
            replicas["isotropic"].mean(axis=0), raman["isotropic_A4_amu-1_per_cm-1"], rtol=1e-5, atol=1e-9
        )
        assert replicas["anisotropic"].shape == (3, len(raman["wavenumber_cm-1"]))
    area = ir["ir_km_mol-1_per_cm-1"].sum() * 2.0
    assert area == pytest.approx(AMU_E2_KM_MOL * 0.01, rel=0.01)


def test_bands_of_both_spectra(trajectory):
    _, rows = read_table(run(trajectory) / "bands.csv")
    assert [row["spectrum"] for row in rows] == ["ir", "raman"]
    infrared, raman = rows
    assert float(infrared["peak_cm-1"]) == pytest.approx(LINE_CM, abs=2.0)
    assert float(infrared["area_standard_error"]) == pytest.approx(
        float(infrared["area"]) * 0.5 / np.sqrt(3), rel=0.01
    )
    assert (infrared["area_unit"], raman["area_unit"]) == ("km/mol", "A^4/amu")
    assert infrared["depolarisation_ratio"] == "nan"
    beta2, gamma2 = (2 / 3) ** 2, 7.0  # of diag(1, 2, −1)
    expected = 3 * gamma2 / (45 * beta2 + 4 * gamma2)
    assert float(raman["depolarisation_ratio"]) == pytest.approx(expected, rel=1e-3)


def test_bands_as_json_hold_the_same_numbers(trajectory):
    folder = run(trajectory)
    notes, rows = read_table(folder / "bands.csv")
    told = json.loads((folder / "bands.json").read_text(encoding="utf-8"))
    assert told["metadata"] == notes and len(told["bands"]) == len(rows) == 2
    for band, row in zip(told["bands"], rows, strict=True):
        for name, value in band.items():
            assert row[name] == (
                "nan" if value is None else value if isinstance(value, str) else f"{value:.9g}"
            )


def test_jcamp_twins_hold_the_same_numbers(trajectory):
    folder = run(trajectory)
    _, ir = read_spectrum(folder / "ir.csv")
    twin = read_measured(folder / "ir.jdx")
    np.testing.assert_allclose(twin.wavenumber_cm, ir["wavenumber_cm-1"], atol=1e-6)
    density = ir["ir_km_mol-1_per_cm-1"]
    np.testing.assert_allclose(twin.intensity, density, rtol=1e-8, atol=3e-10 * density.max())
    text = (folder / "raman.jdx").read_text()
    assert "##RESOLUTION=20\n" in text
    assert "##$PAINN-SPECTRA LASER_NM=532\n" in text
    assert "##YUNITS=M^2/SR PER CM-1\n" in text


def test_same_input_same_bytes(trajectory):
    first, second = run(trajectory), run(trajectory, folder="again")
    for name in (*OUTPUTS, "ir.jdx", "raman.jdx"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_one_replica_has_no_error(trajectory):
    with h5py.File(trajectory, "a") as file:
        for name in ("dipole", "polarizability"):
            data = file[name][:1]
            del file[name]
            file[name] = data
    _, ir = read_spectrum(run(trajectory) / "ir.csv")
    assert np.isnan(ir["standard_error"]).all()
    assert np.isfinite(ir["ir_km_mol-1_per_cm-1"]).all()


def replace(name, change):
    def spoil(file):
        data = file[name][...]
        del file[name]
        changed = change(data)
        if changed is not None:
            file[name] = changed

    return spoil


def set_nan(data):
    data[1, 7] = np.nan
    return data


def external_link(file):
    del file["dipole"]
    file["dipole"] = h5py.ExternalLink("elsewhere.h5", "/dipole")


def virtual(file):
    layout = h5py.VirtualLayout((3, N_SAMPLES, 3), dtype="f4")
    del file["dipole"]
    file.create_virtual_dataset("dipole", layout)


def attribute(name, value):
    return lambda file: file.attrs.modify(name, value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (replace("dipole", lambda _: None), "'dipole' is missing"),
        (replace("dipole", lambda data: data[..., 0]), r"\(3, 2500\), not \(n_replicas, n_samples, 3\)"),
        (replace("polarizability", lambda data: data.reshape(3, N_SAMPLES, 9)), "n_samples, 3, 3"),
        (replace("dipole", lambda data: data.astype(int)), "int64"),
        (replace("dipole", lambda data: data[:2]), "replicas and samples differ"),
        (replace("dipole", set_nan), "dipole of replica 1 is not finite from sample 7"),
        (external_link, "points to other data"),
        (virtual, "points to other data"),
        (attribute("format_version", 99), "format_version 99"),
        (attribute("temperature_K", -1.0), "temperature_K = .* is not positive"),
        (lambda file: file.attrs.__delitem__("sample_interval_fs"), "'sample_interval_fs' is missing"),
        (attribute("sample_interval_fs", 0.2), "too short|shorter than"),
        (
            attribute("sample_interval_fs", 5.0),
            "max_wavenumber_cm = 4000: samples every 5 fs carry 2001 cm-1",
        ),
    ],
)
def test_bad_trajectory_is_told_in_one_line(trajectory, spoil, message):
    with h5py.File(trajectory, "a") as file:
        spoil(file)
    with pytest.raises(InputError, match=message) as caught:
        run(trajectory)
    assert "\n" not in str(caught.value)
    assert not list(trajectory.parent.glob("out/*"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fwhm_cm": 5.0}, "2.50 ps are too short .* which needs 7.50 ps; run longer or set 15"),
        ({"min_wavenumber_cm": 4000.0}, "is not below max_wavenumber_cm"),
        ({"laser_nm": 3000.0}, "laser_nm = 3000 is a line at 3333.33 cm-1"),
        ({"min_wavenumber_cm": 10.0, "max_wavenumber_cm": 90.0}, "max_wavenumber_cm = 90 is below"),
        ({"min_wavenumber_cm": 200.0, "max_wavenumber_cm": 201.0}, "no bands apart between 200 and 201"),
    ],
)
def test_settings_the_run_cannot_carry(trajectory, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        run(trajectory, SpectraSettings(**{"fwhm_cm": 20.0, **settings}))
    assert "\n" not in str(caught.value)
    assert not (trajectory.parent / "out").exists()


def test_narrowest_range_is_written(trajectory):
    """What the settings let pass goes through: few points from 100 cm⁻¹ on, no band, no wavenumber 0."""
    folder = run(trajectory, SpectraSettings(fwhm_cm=20.0, min_wavenumber_cm=0.0, max_wavenumber_cm=200.0))
    _, raman = read_spectrum(folder / "raman.csv")
    assert np.isfinite(raman["parallel_m2_sr-1_per_cm-1"]).sum() == 51
    assert (folder / "raman.jdx").exists()


def test_members_have_their_mean_and_their_spread(trajectory):
    """Dipoles 0.9, 1 and 1.1 times as strong, energies E_r common: σ_a = s(factors²) A √(⟨E⟩² − s²(E)/n)."""
    factors, members = np.array([1.0, 0.9, 1.1]), []
    for number, factor in enumerate(factors[1:], 1):
        members.append(write_trajectory(trajectory.with_name(f"{number}.h5")))
        with h5py.File(members[-1], "a") as file:
            file["dipole"][:] = factor * file["dipole"][:]
    alone, folder = run(trajectory), trajectory.parent / "three"
    compute_spectra(trajectory, *(folder / name for name in OUTPUTS), SETTINGS, members)
    (one, single), (notes, ir) = (read_spectrum(path / "ir.csv") for path in (alone, folder))
    assert "model_error" not in one and notes["model_error"].startswith("standard deviation of one of 3")
    assert notes["n_replicas"] == "3"  # what the three models have in common is one sample
    assert list(ir) == [*single, "model_standard_deviation"]
    for name in ("ir_km_mol-1_per_cm-1", "standard_error"):
        expected = (factors**2).mean() * single[name]
        np.testing.assert_allclose(ir[name], expected, rtol=1e-6, atol=1e-9 * expected.max())
    spread = np.std(factors**2, ddof=1) * np.sqrt(1 - 0.25 / 3)
    line = np.argmax(single["ir_km_mol-1_per_cm-1"])
    at_line = single["ir_km_mol-1_per_cm-1"][line]
    assert ir["model_standard_deviation"][line] == pytest.approx(spread * at_line, rel=1e-5)
    before, rows = read_table(alone / "bands.csv")[1], read_table(folder / "bands.csv")[1]
    assert "area_model_standard_deviation" not in before[0]
    area, found = float(before[0]["area"]), float(rows[0]["area_model_standard_deviation"])
    assert found == pytest.approx(spread * area, rel=1e-5)
    assert float(rows[0]["centroid_model_standard_deviation_cm-1"]) < 1e-6
    assert float(rows[1]["area_model_standard_deviation"]) < 1e-6 * float(rows[1]["area"])  # α is one for all
    assert {f"{name}_model_standard_deviation" for name in ("isotropic", "cross_section", "parallel")} <= set(
        read_spectrum(folder / "raman.csv")[1]
    )


def test_nothing_is_written_when_the_last_computation_fails(trajectory, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("bands")

    monkeypatch.setattr(spectrum, "band_rows", fail)
    with pytest.raises(RuntimeError, match="bands"):
        run(trajectory)
    assert not (trajectory.parent / "out").exists()


def test_silent_molecule_has_a_spectrum_without_bands(trajectory):
    """N2 absorbs nothing; its table is zeros, its band list that of the Raman spectrum alone."""
    with h5py.File(trajectory, "a") as file:
        file["dipole"][:] = 0
    folder = run(trajectory)
    assert not read_spectrum(folder / "ir.csv")[1]["ir_km_mol-1_per_cm-1"].any()
    assert [row["spectrum"] for row in read_table(folder / "bands.csv")[1]] == ["raman"]


def test_damaged_and_missing_files(trajectory):
    trajectory.write_bytes(trajectory.read_bytes()[:5000])
    with pytest.raises(InputError, match="damaged, or not HDF5"):
        run(trajectory)
    trajectory.unlink()
    with pytest.raises(InputError, match="no such file"):
        run(trajectory)


def test_tables_round_trip_and_complain(tmp_path):
    path = tmp_path / "t.csv"
    write_table(
        path, {"a": "two\nlines", "b": 1.5}, ["x", "note"], [[1.0, 'with, "comma"'], [float("nan"), ""]]
    )
    metadata, rows = read_table(path)
    assert metadata == {"a": "two lines", "b": "1.5"}
    assert rows[0] == {"x": "1", "note": 'with, "comma"'}
    with pytest.raises(InputError, match="numbers only"):
        read_spectrum(path)
    write_table(path, {"a\u2028b": "c\x85d"}, ["note"], [['e\u2028f\rg\n"h"']])  # all of these end lines
    assert read_table(path) == ({"a b": "c d"}, [{"note": 'e f g "h"'}])
    path.write_text("x,y\n1\n")
    with pytest.raises(InputError, match="1 of 2 columns"):
        read_table(path)
    path.write_text("# only: words\n")
    with pytest.raises(InputError, match="no table"):
        read_table(path)
    with pytest.raises(InputError, match="No such file"):
        read_table(tmp_path / "absent.csv")
