"""Measured curves: units converted, saturated points masked, unusable files refused."""

import jcamp
import numpy as np
import pytest

from painn_spectra.errors import InputError
from painn_spectra.spectra.jcamp import read_measured, write_jcamp

N = 12
METADATA = {"molecule": "toy", "dynamics": "classical", "program": "painn-spectra 0", "temperature_K": "300",
            "fwhm_cm": "10", "laser_nm": "532", "method": "molecular dynamics", "corrections": "all",
            "state": "gas, isolated molecule, computed"}  # fmt: skip


def jcamp_text(first, step, values, xunits="1/CM", yunits="ABSORBANCE", npoints=None):
    x = first + step * np.arange(len(values))
    lines = [f"{xi:.6f} {yi:.6f}" for xi, yi in zip(x, values, strict=True)]
    return "\n".join([
        "##TITLE=toy", "##JCAMP-DX=4.24", "##DATA TYPE=INFRARED SPECTRUM", f"##XUNITS={xunits}",
        f"##YUNITS={yunits}", "##XFACTOR=1.0", "##YFACTOR=1.0", f"##FIRSTX={x[0]}", f"##LASTX={x[-1]}",
        f"##NPOINTS={npoints or len(values)}", "##XYDATA=(X++(Y..Y))", *lines, "##END=", "",
    ])  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, name="curve.jdx"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_measured(path)

    return write_and_read


def test_written_spectrum_reads_back(tmp_path):
    nu = np.linspace(100.0, 400.0, 301)
    density = np.random.default_rng(0).random(301) * 1e-36
    write_jcamp(tmp_path / "a.jdx", "RAMAN SPECTRUM", "m^2/sr per cm-1", nu, density, METADATA)
    curve = read_measured(tmp_path / "a.jdx")
    np.testing.assert_allclose(curve.wavenumber_cm, nu)
    np.testing.assert_allclose(curve.intensity, density, rtol=0, atol=density.max() * 3e-10)
    assert curve.title == "toy raman spectrum, classical dynamics"


@pytest.mark.parametrize("spacing", [1.0, 0.7, 1 / 3])
def test_every_digit_written_is_read_by_the_jcamp_library(tmp_path, spacing):
    nu = 100.0 + spacing * np.arange(977)
    density = np.random.default_rng(1).lognormal(sigma=4, size=977) * 1e-38
    write_jcamp(tmp_path / "a.jdx", "RAMAN SPECTRUM", "m^2/sr per cm-1", nu, density, METADATA)
    text = (tmp_path / "a.jdx").read_text()
    header, _, body = text.partition("##XYDATA=(X++(Y..Y))\n")
    rows = [line.split() for line in body.splitlines()[:-1]]
    read = jcamp.readfile(str(tmp_path / "a.jdx"))
    factor = float(header.partition("##YFACTOR=")[2].partition("\n")[0])
    written = np.array([int(word) for row in rows for word in row[1:]])
    np.testing.assert_array_equal(read["y"], written * factor)
    np.testing.assert_allclose(read["y"], density, rtol=0, atol=density.max() * 3e-10)
    np.testing.assert_allclose(read["x"], nu, atol=1e-6)
    assert max(map(len, text.splitlines())) <= 80 and read["npoints"] == 977
    for key, value in (("firsty", read["y"][0]), ("maxy", read["y"].max()), ("miny", read["y"].min())):
        assert read[key] == pytest.approx(value, rel=1e-12)
    assert (read["resolution"], read["yunits"]) == (10, "M^2/SR PER CM-1")
    assert read["temperature"] == pytest.approx(26.85)
    assert read["instrument parameters"] == "laser 532 nm"
    assert (read["data processing"], read["state"]) == ("all", "gas, isolated molecule, computed")


def test_transmittance_becomes_absorbance_and_saturation_is_masked(read):
    transmittance = np.array([1.0, 0.5, 0.1, 0.021, 0.019, 0.0, -0.01, *[0.9] * 9])
    curve = read(jcamp_text(500, 10, transmittance, yunits="TRANSMITTANCE"))
    assert curve.unit == "absorbance"
    assert curve.intensity[:3] == pytest.approx([0.0, np.log10(2), 1.0], abs=1e-6)
    assert np.isnan(curve.intensity).nonzero()[0].tolist() == [4, 5, 6]
    assert curve.n_saturated == 3


def test_percent_transmittance(read):
    curve = read(jcamp_text(500, 10, np.full(N, 50.0), yunits="TRANSMITTANCE"))
    np.testing.assert_allclose(curve.intensity, np.log10(2))


@pytest.mark.parametrize(
    ("unit", "first", "step"), [("MICROMETERS", 5.0, 1.0), ("NANOMETERS", 5000.0, 1000.0)]
)
def test_wavelengths_become_rising_wavenumbers(read, unit, first, step):
    curve = read(jcamp_text(first, step, np.arange(N), xunits=unit))
    np.testing.assert_allclose(curve.wavenumber_cm, 1e4 / np.arange(16, 4, -1))
    np.testing.assert_allclose(curve.intensity, np.arange(N)[::-1])


def test_other_ordinates_keep_their_unit(read):
    assert read(jcamp_text(1, 1, np.ones(N), yunits="(micromol/mol)-1m-1")).unit == "(micromol/mol)-1m-1"
    assert read(jcamp_text(1, 1, np.ones(N), yunits="ARBITRARY UNITS")).unit == "arbitrary units"


def test_first_block_of_a_compound_file(read):
    block = jcamp_text(500, 10, np.ones(N))
    curve = read(f"##TITLE=two\n##DATA TYPE=LINK\n##BLOCKS=2\n{block}{block}##END=\n")
    assert len(curve.wavenumber_cm) == N


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("just words\n", "not JCAMP-DX"),
        (jcamp_text(500, 10, np.ones(N), npoints=40), "12 of 40 points, the file is truncated"),
        (jcamp_text(500, 10, np.ones(3)), "no ##XYDATA"),
        (jcamp_text(500, 10, np.ones(N), xunits="SECONDS"), "XUNITS='SECONDS'"),
        (jcamp_text(500, 10, np.zeros(N), yunits="TRANSMITTANCE"), "saturated"),
        ("##TITLE=a\n##NPOINTS\n", "not understood"),
    ],
)
def test_unusable_jcamp(read, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_measured(tmp_path / "absent.jdx")


SPECTROMETER_HEAD = "Version,4.1\nModel,X\nWavenumber Correction,0.49\nTemperature,0\n\n"


@pytest.mark.parametrize(
    "text",
    [
        SPECTROMETER_HEAD
        + "Pixel,Wavenumber,Processed\n"
        + "".join(f"{i},{300 + i}.0,{i * i}\n" for i in range(N)),
        "".join(f"{300 + i},{i * i}\n" for i in range(N)),
        "# a comment\nwavenumber_cm-1,intensity\n" + "".join(f"{300 + i},{i * i}\n" for i in range(N)),
        "".join(f"{300 + i} {i * i}\n" for i in reversed(range(N))),
        "Wavenumber;A\n" + "".join(f"{300 + i};{i * i}\n" for i in range(N)),
    ],
    ids=["spectrometer", "plain", "headed", "falling", "semicolons"],
)
def test_csv_curves(read, text):
    curve = read(text, "curve.csv")
    np.testing.assert_allclose(curve.wavenumber_cm, 300.0 + np.arange(N))
    np.testing.assert_allclose(curve.intensity, np.arange(N) ** 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n \n", "empty"),
        ("name,value\na,b\n", "no table"),
        ("".join(f"{i},1\n" for i in range(3)), "no table with 10 rows"),
        (
            "Pixel,Wavenumber,Processed\n" + "".join(f"{i},{i},1\n" for i in range(N)) + "5,6\n",
            "no table|truncated",
        ),
        ("".join("5,1\n" for _ in range(N)), "different positive"),
    ],
)
def test_unusable_csv(read, text, message):
    with pytest.raises(InputError, match=message):
        read(text, "curve.csv")
