"""Comparison with experiment: windows, areas, similarity in closed form, figures equal byte for byte."""

from pathlib import Path

import numpy as np
import pytest
from toy_trajectory import OUTPUTS, write_trajectory

from painn_spectra import keys
from painn_spectra.config import SpectraSettings
from painn_spectra.errors import InputError
from painn_spectra.plotting import draw_parity
from painn_spectra.spectra import figures
from painn_spectra.spectra.compare import compare_bands, compare_stage, read_bands, similarity
from painn_spectra.spectra.csv_files import read_spectrum, read_table
from painn_spectra.spectra.measured import MeasuredCurve
from painn_spectra.spectra.spectrum import compute_spectra

ETHANOL = Path(__file__).parents[1] / "config/molecules/ethanol/bands.csv"
NU = np.arange(500.0, 2500.0, 2.0)
HEAD = "spectrum,phase,position_cm-1,lower_cm-1,upper_cm-1,area_km_mol-1,assignment,source\n"


def gaussian(centre, sigma=15.0):
    return np.exp(-0.5 * ((NU - centre) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def band(position, lower, upper, area="", spectrum="ir"):
    numbers = {"position_cm-1": position, "lower_cm-1": lower, "upper_cm-1": upper, "area_km_mol-1": area}
    words = {"spectrum": spectrum, "phase": "gas", "assignment": "a", "source": "b"}
    return words | {key: str(value) for key, value in numbers.items()}


def curve(density, factor=1.0):
    return MeasuredCurve(NU, density * factor, "absorbance", "toy")


def score(notes, name):
    return float(notes[name].partition(" ")[0])


def test_bands_side_by_side():
    densities = {"ir": np.outer([8.0, 12.0], gaussian(1000)), "raman": np.outer([1.0, 1.0], gaussian(2000))}
    published = [band(990, 900, 1100, 11), band(1010, 900, 1100), band(1930, 1900, 1960, spectrum="raman"),
                 band(3000, 2900, 3100)]  # fmt: skip
    first, second, edge, outside = compare_bands(NU, densities, published)
    assert first[5:8] == [990.0, 1000.0, 10.0]
    assert first[10] == 11.0
    assert first[11] == pytest.approx(10.0, rel=1e-6)
    assert first[12] == pytest.approx(2.0, rel=1e-6)
    assert np.isnan(second[11]) and second[6] == 1000.0 and second[14] == "window as above"
    assert "edge" in edge[14] and edge[13] == "A^4/amu"
    assert outside[14] == "outside the computed range" and np.isnan(outside[6])


def test_similarity_of_a_curve_with_itself_is_one_at_any_scale():
    notes = similarity(NU, gaussian(1000)[None] + 1e-4, curve(gaussian(1000) + 1e-4, 37.0))
    assert score(notes, "ir_cosine") == 1.0
    assert score(notes, "ir_SIS") == 1.0


def test_similarity_of_shifted_gaussians():
    """Symmetric Kullback–Leibler divergence d²/σ², cosine exp(−d²/4σ²), σ² = 15² + 10² after smoothing."""
    notes = similarity(NU, gaussian(1500)[None], curve(gaussian(1520)))
    assert score(notes, "ir_SIS") == pytest.approx(1 / (1 + 400 / 325), abs=2e-3)
    assert score(notes, "ir_cosine") == pytest.approx(np.exp(-400 / 4 / 325), abs=2e-3)


def test_saturated_points_do_not_count():
    spoiled = gaussian(1000) + gaussian(1800)
    holes = np.where((NU > 1700) & (NU < 1900), np.nan, spoiled)
    notes = similarity(NU, gaussian(1000)[None], curve(holes))
    assert score(notes, "ir_cosine") > 0.99
    assert score(similarity(NU, gaussian(1000)[None], curve(spoiled)), "ir_cosine") < 0.75


def test_curves_that_do_not_meet():
    far = MeasuredCurve(NU + 1990, gaussian(1000), "absorbance", "far")
    assert "overlap over" in similarity(NU, gaussian(1000)[None], far)["ir_similarity"]


def test_shipped_ethanol_table():
    rows = read_bands(ETHANOL)
    assert all(row["source"] for row in rows)
    windows = {(row["spectrum"], float(row["lower_cm-1"]), float(row["upper_cm-1"])) for row in rows}
    areas = [row for row in rows if row["area_km_mol-1"]]
    assert len(areas) == len([window for window in windows if window[0] == "ir"])
    stretches = {window for window in windows if 2600 < window[1] < 3400}
    assert len(stretches) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD.replace(",source", "") + "ir,gas,1,0,2,,a\n", "column source is missing"),
        (HEAD + "ir,gas,abc,0,2,,a,b\n", "row 1: could not convert"),
        (HEAD + "ir,gas,5,0,2,,a,b\n", "row 1: ir 0 <= 5 <= 2 is false"),
        (HEAD + "uv,gas,1,0,2,,a,b\n", "uv"),
    ],
)
def test_bad_band_table(tmp_path, text, message):
    path = tmp_path / "bands.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_bands(path)


@pytest.fixture
def spectra(tmp_path):
    trajectory, folder = write_trajectory(tmp_path / "trajectory.h5"), tmp_path / "spectra"
    compute_spectra(trajectory, *(folder / name for name in OUTPUTS), SpectraSettings(fwhm_cm=20.0))
    return folder


@pytest.mark.parametrize("with_experiment", [True, False])
def test_stage(spectra, tmp_path, with_experiment):
    measured = tmp_path / "measured.csv"
    measured.write_text("".join(f"{x},{y:.6f}\n" for x, y in zip(NU, gaussian(1490), strict=True)))
    extra = (ETHANOL, measured, measured) if with_experiment else (None, None, None)
    compare_stage(spectra, tmp_path / "figures", tmp_path / "comparison.csv", *extra)
    metadata, rows = read_table(tmp_path / "comparison.csv")
    assert metadata["molecule"] == "toy"
    assert ("ir_SIS" in metadata) == with_experiment
    assert len(rows) == (len(read_bands(ETHANOL)) if with_experiment else 0)
    files = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert files == ["ir.png", "ir.svg", "raman.png", "raman.svg"]


def test_figures_come_out_the_same_twice(spectra, tmp_path):
    for folder in ("a", "b"):
        compare_stage(spectra, tmp_path / folder, tmp_path / "c.csv", ETHANOL, None, None)
    for name in ("ir.svg", "raman.svg", "ir.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.fixture
def drawn(monkeypatch):
    """Figures kept instead of written, in the order they are drawn."""
    kept = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: kept.append(figure))
    return kept


def test_raman_figure_draws_the_raman_spectrum(spectra, tmp_path, drawn):
    """The published harmonic Raman trace of ethanol is the infrared one drawn twice."""
    compare_stage(spectra, tmp_path / "f", tmp_path / "c.csv", None, None, None)
    infrared, raman = drawn
    ir, table = (read_spectrum(spectra / f"{kind}.csv")[1] for kind in ("ir", "raman"))
    np.testing.assert_array_equal(infrared.axes[0].lines[0].get_ydata(), ir["ir_km_mol-1_per_cm-1"])
    activity = table["activity_A4_amu-1_per_cm-1"]
    np.testing.assert_array_equal(raman.axes[0].lines[0].get_ydata(), activity)
    assert not np.allclose(activity, ir["ir_km_mol-1_per_cm-1"])
    signal = raman.axes[1].lines[0].get_ydata()
    expected = table["cross_section_m2_sr-1_per_cm-1"]
    np.testing.assert_allclose(signal / np.nanmax(signal), expected / np.nanmax(expected))


def test_phase_of_published_bands_stands_in_the_legend(spectra, tmp_path, drawn):
    """A liquid's bands beside a computed gas are called a liquid's."""
    table = tmp_path / "bands.csv"
    table.write_text(HEAD + "raman,liquid,1490,1400,1600,,a,b\nir,gas,1500,1400,1600,,a,b\n")
    compare_stage(spectra, tmp_path / "f", tmp_path / "c.csv", table, None, None)
    legends = [[axis.get_legend() for axis in figure.axes if axis.get_legend()] for figure in drawn]
    words = [[text.get_text() for legend in row for text in legend.get_texts()] for row in legends]
    assert "published maxima (gas)" in words[0]
    assert "published maxima (liquid)" in words[1]
    assert "gas" in state_of(spectra / "raman.jdx")


def state_of(path):
    return path.read_text().partition("##STATE=")[2].partition("\n")[0]


def test_damaged_replicas(spectra, tmp_path):
    (spectra / "replicas.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"replicas\.npz: cannot be read"):
        compare_stage(spectra, tmp_path / "f", tmp_path / "c.csv", None, None, None)


def test_parity_plot(tmp_path):
    rng = np.random.default_rng(0)
    reference = {name: rng.normal(size=50) for name in keys.PROPERTIES}
    draw_parity({name: (x, x + 0.1) for name, x in reference.items()}, tmp_path / "p.svg", tmp_path / "p.png")
    assert (tmp_path / "p.svg").stat().st_size > 0
    assert (tmp_path / "p.png").stat().st_size > 0
