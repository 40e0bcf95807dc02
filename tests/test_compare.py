"""Comparison with experiment: windows, areas, similarity in closed form, figures equal byte for byte."""

import re
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.text import Text
from toy_trajectory import OUTPUTS, write_trajectory

from painn_spectra import keys, plotting
from painn_spectra.errors import InputError
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.settings.molecule import Experiment
from painn_spectra.spectra import figures
from painn_spectra.spectra.compare import check_formula, compare_bands, compare_stage, read_bands
from painn_spectra.spectra.csv_files import read_spectrum, read_table
from painn_spectra.spectra.experiment import experiment_curve
from painn_spectra.spectra.measured import read_measured
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


def compare(spectra, folder, **experiment):
    """The stage's two tables."""
    files = (folder / "figures", folder / "comparison.csv", folder / "similarity.csv")
    compare_stage(spectra, *files, Experiment(**experiment))
    return [read_table(path) for path in files[1:]]


def test_stage(spectra, tmp_path):
    measured, scattered = tmp_path / "measured.csv", tmp_path / "raman.csv"
    rows = "".join(f"{x},{y:.6f}\n" for x, y in zip(NU, gaussian(1490), strict=True))
    measured.write_text("# state: gas\n# resolution: 4\nwavenumber,absorbance\n" + rows)
    scattered.write_text("Laser Wavelength,785\n\nWavenumber,Processed\n" + rows)
    experiment = {"bands": str(ETHANOL), "ir": str(measured), "raman": str(scattered), "fit_scale": True}
    (notes, bands), (about, scores) = compare(spectra, tmp_path, **experiment)
    assert notes["molecule"] == about["molecule"] == "toy"
    assert notes["ir_measured"] == "measured (gas, resolution 4 cm-1)"
    assert notes["raman_measured"] == "raman (laser 785 nm)"
    assert len(bands) == len(read_bands(ETHANOL))
    assert [row["spectrum"] for row in scores] == ["ir", "ir", "raman", "raman"]
    assert [float(row["scale_factor"]) == 1 for row in scores] == [True, False, True, False]
    for plain, fitted in (scores[:2], scores[2:]):
        assert float(fitted["cosine"]) >= float(plain["cosine"]) > 0
        assert float(plain["cosine_standard_error"]) > 0 and plain["area_ratio"] == "nan"
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {
        f"{kind}{width}.{ending}"
        for kind in ("ir", "raman")
        for width in ("", "-column")
        for ending in ("svg", "pdf", "png")
    }


def test_a_shifted_zero_line(spectra, tmp_path, capsys):
    """10 km/mol on 0.02 km/mol per cm-1 times 1500 cm-1: named, and taken off where asked for."""
    measured = tmp_path / "measured.csv"
    x = np.arange(500.0, 2000.0)
    y = 10 * np.exp(-0.5 * ((x - 1490) / 15) ** 2) / (15 * np.sqrt(2 * np.pi)) + 0.02
    noise = np.random.default_rng(0).normal(scale=1e-4, size=len(x))
    rows = "".join(f"{a},{b:.6f}\n" for a, b in zip(x, y + noise, strict=True))
    measured.write_text("wavenumber,km/mol per cm-1\n" + rows)
    (_, _), (about, plain) = compare(spectra, tmp_path, ir=str(measured))
    assert "makes 75 % of the area" in capsys.readouterr().err and "lowered" not in about["ir_measured"]
    (_, _), (about, lowered) = compare(spectra, tmp_path, ir=str(measured), zero_line="lowest")
    assert about["ir_measured"].startswith("measured (lowered by 0.0199")
    assert not capsys.readouterr().err
    raised, right = (float(scores[0]["area_ratio"]) for scores in (plain, lowered))
    assert right / raised == pytest.approx((10 + 0.02 * 1500) / 10, rel=0.05)
    clean = experiment_curve(Experiment(ir=str(measured), zero_line="lowest"), "ir")
    assert np.trapezoid(clean.intensity, clean.wavenumber_cm) == pytest.approx(10, abs=0.5)


def test_stage_without_experiment(spectra, tmp_path):
    (notes, bands), (_, scores) = compare(spectra, tmp_path)
    assert not bands and not scores and not any(key.startswith("ir_") for key in notes)


def test_another_range_is_refused_before_anything_is_written(spectra, tmp_path):
    far = tmp_path / "far.csv"
    far.write_text("wavenumber,absorbance\n" + "".join(f"{5000 + i},1\n" for i in range(500)))
    with pytest.raises(
        InputError, match=r"far: measured from 5000 to 5499 cm-1, computed from .* too little"
    ):
        compare(spectra, tmp_path / "new", ir=str(far))
    assert not (tmp_path / "new").exists()


def test_file_of_another_molecule_is_refused(tmp_path):
    path = tmp_path / "acetone.jdx"
    lines = ["##TITLE=Acetone", "##JCAMP-DX=4.24", "##DATA TYPE=INFRARED SPECTRUM", "##MOLFORM=C H3 C O C H3",
             "##XUNITS=1/CM", "##YUNITS=ABSORBANCE", "##XYDATA=(XY..XY)",
             *(f"{x},{x % 7}" for x in range(500, 900)), "##END="]  # fmt: skip
    path.write_text("\n".join(lines))
    curve = read_measured(path, "ir")
    check_formula(curve, {"molecule": "acetone", "formula": "C3H6O"}, str(path), "ir")
    check_formula(curve, {"molecule": "toy"}, str(path), "ir")  # a trajectory without its elements
    with pytest.raises(InputError, match=r"experiment.ir = .*acetone.jdx: Acetone is C3H6O, water is H2O"):
        check_formula(curve, {"molecule": "water", "formula": "H2O"}, str(path), "ir")


@pytest.mark.parametrize("unit", ["absorbance", "km/mol per cm-1"])
def test_computed_curve_over_the_measured_one(spectra, tmp_path, drawn, unit):
    """At the instrument's coarser resolution; as it is beside an absolute experiment, else of its area."""
    measured = tmp_path / "measured.csv"
    rows = "".join(f"{x},{y:.6f}\n" for x, y in zip(NU, 0.01 * gaussian(1490), strict=True))
    measured.write_text(f"# resolution: 60\nwavenumber,{unit}\n{rows}")
    compare(spectra, tmp_path, ir=str(measured))
    axis = drawn[0].axes[-1]
    grid, ours = axis.lines[2].get_xdata(), axis.lines[2].get_ydata()
    nu, density = (
        read_spectrum(spectra / "ir.csv")[1][name] for name in ("wavenumber_cm-1", "ir_km_mol-1_per_cm-1")
    )
    area = np.interp(grid, nu, density).sum() if unit.startswith("km") else axis.lines[1].get_ydata().sum()
    assert ours.sum() == pytest.approx(area, rel=0.01)
    above = grid[ours > ours.max() / 2]
    assert np.ptp(above) == pytest.approx(60, abs=4)  # 20 of the spectrum within the instrument's 60
    assert "both at 60 cm⁻¹" in axis.get_legend().get_texts()[-1].get_text()


def test_figures_come_out_the_same_twice(spectra, tmp_path):
    for folder in ("a", "b"):
        compare(spectra, tmp_path / folder, bands=str(ETHANOL))
    for name in ("ir.svg", "raman.svg", "ir.png", "ir.pdf", "raman-column.pdf"):
        assert (tmp_path / "a/figures" / name).read_bytes() == (tmp_path / "b/figures" / name).read_bytes()


@pytest.fixture
def drawn(monkeypatch):
    """Figures kept instead of written, in the order they are drawn: wide and narrow of each."""
    kept = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: kept.append(figure))
    return kept


def test_raman_figure_draws_the_raman_spectrum(spectra, tmp_path, drawn):
    """The published harmonic Raman trace of ethanol is the infrared one drawn twice."""
    compare(spectra, tmp_path)
    infrared, _, raman, _ = drawn
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
    compare(spectra, tmp_path, bands=str(table))
    legends = [[axis.get_legend() for axis in figure.axes if axis.get_legend()] for figure in drawn]
    words = [[text.get_text() for legend in row for text in legend.get_texts()] for row in legends]
    assert "published maxima (gas)" in words[0]
    assert "published maxima (liquid)" in words[2]
    assert "gas" in state_of(spectra / "raman.jdx")


def test_models_have_a_band_and_a_column_of_their_own(spectra, tmp_path, drawn):
    """Sampling and models are told apart by shade and hatching, in every figure's legend and in the table."""
    other = write_trajectory(tmp_path / "1.h5")
    with h5py.File(other, "a") as file:
        for name in ("dipole", "polarizability"):
            file[name][:] = 1.2 * file[name][:]
    files = [spectra / name for name in OUTPUTS]
    compute_spectra(tmp_path / "trajectory.h5", *files, SpectraSettings(fwhm_cm=20.0), [other])
    table = tmp_path / "bands.csv"
    table.write_text(HEAD + "raman,liquid,1490,1400,1600,,a,b\nir,gas,1500,1400,1600,,a,b\n")
    (notes, rows), _ = compare(spectra, tmp_path, bands=str(table))
    for axis in (drawn[0].axes[0], *drawn[2].axes[:2]):
        words = [text.get_text() for text in axis.get_legend().get_texts()]
        assert {"± 1 standard error", "± 1 s.d. of models"} <= set(words)
        hatched = [band for band in axis.collections if band.get_hatch()]
        assert len(hatched) == 1 and len(axis.collections) == 2
    assert "standard deviation of one of 2" in notes["model_error"]
    bands = {row["spectrum"]: row for row in read_table(spectra / "bands.csv")[1]}
    for row in rows:
        expected = float(bands[row["spectrum"]]["area_model_standard_deviation"])
        assert float(row["computed_area_model_standard_deviation"]) == pytest.approx(expected, rel=0.02)


def state_of(path):
    return path.read_text().partition("##STATE=")[2].partition("\n")[0]


def test_damaged_replicas(spectra, tmp_path):
    (spectra / "replicas.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"replicas\.npz: cannot be read"):
        compare(spectra, tmp_path)


def test_a_long_caption_leaves_the_panels_their_width(spectra, tmp_path, drawn):
    """Legends that do not fit beside each other once squeezed every panel to a tenth of the figure."""
    measured = tmp_path / "METHANOL, carbinol, wood spirit, by its systematic name methanol.csv"
    rows = "".join(f"{x},{y:.6f}\n" for x, y in zip(NU, 0.01 * gaussian(1490), strict=True))
    notes = "# state: gas\n# temperature_K: 296\n# pressure: 70 mmHg\n# path: 5 cm\n# resolution: 2\n"
    measured.write_text(f"{notes}wavenumber,km/mol per cm-1\n{rows}")
    compare(spectra, tmp_path, ir=str(measured))
    for figure in drawn[:2]:
        figure.canvas.draw()
        for axis in figure.axes:
            assert axis.get_window_extent().width > 0.65 * figure.bbox.width
            if legend := axis.get_legend():
                assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_figures_are_as_wide_as_columns_and_carry_their_fonts(tmp_path):
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=50) for name in keys.PROPERTIES}
    found = {}
    for width_in, files in plotting.versions(tmp_path / "parity"):
        plotting.draw_parity({name: (x, x + 0.1) for name, x in values.items()}, files, width_in)
        pdf = next(path for path in files if path.suffix == ".pdf").read_bytes()
        assert b"/FontFile2" in pdf and b"/Type3" not in pdf
        found[width_in] = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf)[1]) / 72
        assert all(path.stat().st_size > 0 for path in files)
    assert list(found) == [plotting.WIDTH_IN, plotting.COLUMN_IN]
    for width_in, page_in in found.items():
        assert 0.9 * width_in < page_in <= width_in  # parity panels are square: a little less than the column


@pytest.mark.parametrize("width_in", [plotting.WIDTH_IN, plotting.COLUMN_IN])
def test_words_of_a_figure_are_inside_it_and_apart(spectra, drawn, width_in):
    metadata, columns = read_spectrum(spectra / "raman.csv")
    published = [row for row in read_bands(ETHANOL) if row["spectrum"] == "raman"]
    figures.draw_raman(metadata, columns, [], published, width_in=width_in)
    (figure,) = drawn
    figure.canvas.draw()
    beyond = {  # ticks that matplotlib makes beyond the ends of an axis and does not draw
        label
        for axis in figure.axes
        for line, ends, k in ((axis.xaxis, axis.get_xlim(), 0), (axis.yaxis, axis.get_ylim(), 1))
        for label in line.get_ticklabels(which="both")
        if not min(ends) <= label.get_position()[k] <= max(ends)
    }
    shown = set(figure.findobj(Text)) - beyond
    words = [text for text in shown if text.get_visible() and text.get_text().strip()]
    boxes = [text.get_window_extent() for text in words]
    assert len(words) > 10
    for text, box in zip(words, boxes, strict=True):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text
    overlapping = [
        (one.get_text(), other.get_text())
        for (one, a), (other, b) in combinations(zip(words, boxes, strict=True), 2)
        if a.overlaps(b)
    ]
    assert not overlapping
    plotting.plt.close(figure)
