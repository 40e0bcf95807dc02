"""Measured curves: every form and unit against values written by hand, unusable files refused in one line."""

import contextlib
import io

import jcamp
import numpy as np
import pytest
from ase.data import atomic_numbers
from ase.formula import Formula

from painn_spectra.errors import InputError
from painn_spectra.formula import hill_formula, stated_formula
from painn_spectra.spectra.jcamp_blocks import read_blocks
from painn_spectra.spectra.measured import read_measured
from painn_spectra.spectra.ordinates import ABSOLUTE

N = 12


def jcamp_text(
    first, step, values, xunits="1/CM", yunits="ABSORBANCE", npoints=None, kind="INFRARED", **more
):
    x = first + step * np.arange(len(values))
    lines = [f"{xi:.6f} {yi:.6f}" for xi, yi in zip(x, values, strict=True)]
    return "\n".join([
        "##TITLE=toy", "##JCAMP-DX=4.24", f"##DATA TYPE={kind} SPECTRUM", f"##XUNITS={xunits}",
        f"##YUNITS={yunits}", "##XFACTOR=1.0", "##YFACTOR=1.0", f"##FIRSTX={x[0]}", f"##LASTX={x[-1]}",
        *(f"##{key.replace('_', ' ')}={value}" for key, value in more.items()),
        f"##NPOINTS={npoints or len(values)}", "##XYDATA=(X++(Y..Y))", *lines, "##END=", "",
    ])  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, name="curve.jdx", kind=None):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_measured(path, kind)

    return write_and_read


# the example of the standard: 2000 to 2003, then 2003 twice more; other tables written by hand
SERIES = [2000, 2001, 2002, 2003, 2003, 2003]
COMPRESSED = {
    "AFFN": ("1000 2000 2001 2002 2003 2003 2003", SERIES),
    "PAC": ("1000+2000+2001+2002+2003+2003+2003", SERIES),
    "SQZ": ("1000B000B001B002B003B003B003", SERIES),
    "DIF": ("1000B000JJJ%%", SERIES),
    "DIFDUP": ("1000B000JU%T", SERIES),
    "SQZ with DUP": ("1000B000B001B002B003U", SERIES),
    "AFFN with DUP": ("1000 2000 2001 2002 2003U", SERIES),
    "DIF over two lines": ("1000B000JJJ\n1003B003%%", SERIES),
    "DUP at a line's end": ("1000B000JU\n1003B003%T", SERIES),
    "SQZ over two lines": ("1000B000B001B002\n1003B003B003B003", SERIES),
    "signs without blanks": ("1000 20-31+42-5", [20, -31, 42, -5]),
    "negative SQZ": ("1000b000a9@A5", [-2000, -19, 0, 15]),
    "negative DIF": ("1000A0j5r9N", [10, -5, -104, -99]),
    "a count of two digits": ("1000A5%S2", [15] * 13),
    "exponents": ("1000 2.0E+03 -1.5e-1 7E2", [2000, -0.15, 700]),
    "fractions": ("1000 .5 1.25 -.75", [0.5, 1.25, -0.75]),
    "a point that failed": ("1000 5 ? 7", [5, np.nan, 7]),
    "a comment": ("1000 5 6 $$ noisy\n1002 7", [5, 6, 7]),
}
THEIRS = ("AFFN", "PAC", "SQZ", "DIF", "DIFDUP", "DIF over two lines", "SQZ over two lines", "negative DIF")


def table(body, n, first=1000.0, last=None, form="(X++(Y..Y))", factor=1):
    last = first + n - 1 if last is None else last
    return (
        f"##TITLE=a\n##JCAMP-DX=4.24\n##DATA TYPE=INFRARED SPECTRUM\n##XUNITS=1/CM\n##YUNITS=ABSORBANCE\n"
        f"##XFACTOR=1\n##YFACTOR={factor}\n##FIRSTX={first}\n##LASTX={last}\n##NPOINTS={n}\n"
        f"##XYDATA={form}\n{body}\n##END=\n"
    )


@pytest.mark.parametrize("name", COMPRESSED)
def test_every_compression(name, tmp_path):
    body, expected = COMPRESSED[name]
    text = table(body, len(expected))
    (block,) = read_blocks(tmp_path, text)
    np.testing.assert_array_equal(block.y, expected)
    np.testing.assert_allclose(block.x, 1000 + np.arange(len(expected)))
    if name in THEIRS:
        with contextlib.redirect_stdout(io.StringIO()):
            np.testing.assert_array_equal(jcamp.read(text.splitlines(keepends=True))["y"], expected)


@pytest.mark.parametrize("packed", [False, True])
def test_falling_wavenumbers(packed, tmp_path):
    body = "4000B000JJ\n3996B002JJ" if packed else "4000 2000 2001 2002\n3994 2003 2004"
    (block,) = read_blocks(tmp_path, table(body, 5, 4000.0, 3992.0, factor=0.5))
    np.testing.assert_allclose(block.x, [4000, 3998, 3996, 3994, 3992])
    np.testing.assert_array_equal(block.y, [1000, 1000.5, 1001, 1001.5, 1002])


def test_pairs(tmp_path):
    (block,) = read_blocks(tmp_path, table("5.5, 1; 7, 2; 20, 3", 3, form="(XY..XY)", factor=2))
    np.testing.assert_array_equal([block.x, block.y], [[5.5, 7, 20], [2, 4, 6]])


@pytest.mark.parametrize(
    ("body", "n", "message"),
    [
        ("1000B000JJJ\n1003B004%%", 6, "does not go on where the last one ended"),
        ("1000 1 2 3\n1009 4 5 6", 6, "should begin at 1003"),
        ("1000 1 2 x3", 4, "'x3' is no ordinate"),
        ("1000JJ", 2, "begins with a difference"),
        ("1000 1 2 3", 4, "3 of 4 points"),
    ],
)
def test_damaged_tables(body, n, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_blocks(tmp_path, table(body, n))
    with pytest.raises(InputError, match="no ##END="):
        read_blocks(tmp_path, table("1000 1 2 3", 3).replace("##END=", ""))


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
    curve = read(jcamp_text(first, step, np.arange(N), xunits=unit, yunits="km/mol per cm-1"))
    np.testing.assert_allclose(curve.wavenumber_cm, 1e4 / np.arange(16, 4, -1))
    np.testing.assert_allclose(curve.intensity, np.arange(N)[::-1])


# 1 mol/m³ of gas has R·296 Pa at 296 K; ln 10/(1 mol/m³ · 1 m) = 2.302585 m²/mol, in km/mol per cm⁻¹ a tenth
R296 = 8.314462618 * 296


@pytest.mark.parametrize(
    ("unit", "more", "expected"),
    [
        ("ABSORBANCE", {"STATE": "gas", "PARTIAL_PRESSURE": f"{R296} Pa", "PATH LENGTH": "100 cm",
                        "TEMPERATURE": "22.85"}, 0.2302585),
        ("absorbance", {"STATE": "GAS", "PARTIAL PRESSURE": f"{R296 / 1e3} kPa", "PATH LENGTH": "1000 mm",
                        "TEMPERATURE": "296 K"}, 0.2302585),
        ("(micromol/mol)-1m-1 (base 10)", {"PRESSURE": f"{R296 / 101325} atm", "TEMPERATURE": "22.85 C"},
         0.2302585e6),
        ("(micromol/mol)-1m-1 (base e)", {"PRESSURE": f"{R296} Pa", "TEMPERATURE": "22.85 C"}, 0.1e6),
        ("L mol-1 cm-1", {}, 0.02302585),
        ("MOLAR ABSORPTIVITY (L/(mol cm))", {}, 0.02302585),
        ("cm^2/molecule", {}, 6.02214076e18),
        ("km/mol per cm-1", {}, 1.0),
    ],
)  # fmt: skip
def test_absolute_ordinates(read, unit, more, expected):
    curve = read(jcamp_text(500, 10, np.ones(N), yunits=unit, **more))
    assert curve.unit == ABSOLUTE and curve.is_absolute
    np.testing.assert_allclose(curve.intensity, expected, rtol=1e-6)


def test_absorbance_of_unknown_path_is_not_absolute(read):
    curve = read(jcamp_text(500, 10, np.ones(N), STATE="gas", PARTIAL_PRESSURE="30 mmHg"))
    assert curve.unit == "absorbance" and not curve.is_absolute
    curve = read(jcamp_text(500, 10, np.ones(N), STATE="liquid", PATH_LENGTH="5 CM"))
    assert curve.unit == "absorbance"


def test_conditions_stand_in_the_caption(read):
    more = {"STATE": "GAS (150 mmHg DILUTED TO 600 mmHg WITH N2)", "PATH LENGTH": "5 CM", "RESOLUTION": "4"}
    curve = read(jcamp_text(500, 10, np.full(N, 0.5), yunits="TRANSMITTANCE", **more))
    assert curve.caption == "toy (gas, 296 K assumed, 20 kPa, path 5 cm, resolution 4 cm-1)"
    absorbance = np.log(2) / (150 * 133.322387 / R296) / 0.05  # m²/mol
    np.testing.assert_allclose(curve.intensity, 0.1 * absorbance, rtol=1e-5)


@pytest.mark.parametrize("unit", ["ARBITRARY UNITS", "", "REFLECTANCE", "A.U.", "(micromol/mol)-1m-1"])
def test_arbitrary_ordinates_are_refused(read, unit):
    with pytest.raises(InputError, match="says neither absorption nor transmission"):
        read(jcamp_text(1, 1, np.ones(N), yunits=unit))
    assert (
        read(jcamp_text(1, 1, np.ones(N), yunits="ARBITRARY UNITS", kind="RAMAN")).unit == "arbitrary units"
    )


def test_mole_fractions_need_the_pressure(read):
    with pytest.raises(InputError, match="needs the pressure; add ##PRESSURE"):
        read(jcamp_text(1, 1, np.ones(N), yunits="(micromol/mol)-1m-1 (base 10)"))


@pytest.mark.parametrize(("kind", "other"), [("ir", "RAMAN"), ("raman", "INFRARED")])
def test_the_other_kind_of_spectrum(read, kind, other):
    with pytest.raises(InputError, match=f"is {other.lower()} spectrum, but an? .* spectrum is expected"):
        read(jcamp_text(500, 10, np.ones(N), kind=other), kind=kind)


def test_a_compound_file_gives_the_block_that_is_wanted(read):
    """Two infrared blocks, of which one lies at the vibrations, and a Raman one."""
    near = jcamp_text(5000, 100, np.full(N, 0.1))
    fundamental, raman = (
        jcamp_text(500, 10, np.full(N, 0.2)),
        jcamp_text(600, 10, np.full(N, 7), kind="RAMAN"),
    )
    text = f"##TITLE=three\n##DATA TYPE=LINK\n##BLOCKS=3\n{near}{raman}{fundamental}##END=\n"
    assert read(text, kind="ir").intensity[0] == 0.2
    assert read(text, kind="raman").intensity[0] == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("just words\n", "not JCAMP-DX"),
        (jcamp_text(500, 10, np.ones(N), npoints=40), "the file is truncated"),
        (jcamp_text(500, 10, np.ones(3)), "no ##XYDATA"),
        (jcamp_text(500, 10, np.ones(N), xunits="SECONDS"), "XUNITS='SECONDS'"),
        (jcamp_text(500, 10, np.zeros(N), yunits="TRANSMITTANCE"), "saturated"),
        ("##TITLE=a\n##NPOINTS\n", "no ##XYDATA"),
        (jcamp_text(500, 10, np.ones(N), npoints="many"), "NPOINTS=many is no number"),
        ("<html><body>404</body></html>", "is a web page"),
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


COLUMN = [f"{1000 + k},{k / 10 + 1}" for k in range(N)]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffWavenumber,Raw,Processed\n"
        + "\n".join(f"{row.split(',')[0]},7,{row.split(',')[1]}" for row in COLUMN),
        "Wavenumber;Intensity\n" + "\n".join(row.replace(",", ";").replace(".", ",") for row in COLUMN),
        "Wavenumber,Intensity,\n" + "\n".join(f"{row}," for row in COLUMN),
        "\n".join([*COLUMN, "measured by hand"]),
    ],
)
def test_tables_as_spreadsheets_write_them(read, text):
    curve = read(text, "a.csv", "raman")
    assert curve.wavenumber_cm == pytest.approx(1000 + np.arange(N))
    assert curve.intensity == pytest.approx(1 + np.arange(N) / 10)


@pytest.mark.parametrize(
    ("rows", "kind", "words"),
    [
        ([*COLUMN[:6], "1006,x", *COLUMN[7:]], "raman", "'1006, x' is no row of numbers"),
        ([*COLUMN, "1012,----"], "raman", "'1012, ----' is no row of numbers"),
        (["wavenumber,transmittance", *COLUMN], "raman", "is an infrared spectrum, by its transmittance"),
        ([*COLUMN, *COLUMN], "raman", "24 points have only 12 different wavenumbers"),
        ([*COLUMN, "1e9,1"], "raman", "goes up to 1e+09 cm-1"),
    ],
)
def test_tables_that_are_none(read, rows, kind, words):
    with pytest.raises(InputError) as caught:
        read("\n".join(rows), "a.csv", kind)
    assert words in str(caught.value)


@pytest.mark.parametrize("first", ["NMR SPECTRUM", "UV/VIS SPECTRUM", "INFRARED INTERFEROGRAM"])
def test_other_blocks_are_passed_over(read, first):
    other = jcamp_text(0.0, 0.5, np.ones(N), xunits="HZ").replace("INFRARED SPECTRUM", first)
    wanted = jcamp_text(1000.0, 1.0, np.linspace(0.1, 0.5, N))
    assert read(other + wanted, kind="ir").wavenumber_cm[0] == 1000
    with pytest.raises(InputError, match="but an infrared spectrum is expected"):
        read(other, kind="ir")


def test_pairs_with_decimal_commas_are_no_pairs(read):
    pairs = "\n".join(f"{400 + k},5 0,{123 + k}" for k in range(N))
    text = jcamp_text(1000.0, 1.0, np.ones(N))
    text = text[: text.index("##NPOINTS")] + f"##XYDATA=(XY..XY)\n{pairs}\n##END=\n"
    with pytest.raises(InputError, match="24 points have only 13 different wavenumbers: decimal commas"):
        read(text, kind="ir")


def test_csv_says_what_its_ordinate_is(read):
    rows = "".join(f"{300 + i},50\n" for i in range(N))
    curve = read("wavenumber,% transmittance\n" + rows, "curve.csv", "ir")
    np.testing.assert_allclose(curve.intensity, np.log10(2))
    comments = "# unit: percent transmittance\n# state: liquid\n# resolution: 6\n# title: mine\n"
    curve = read(comments + rows, "curve.csv", "ir")
    np.testing.assert_allclose(curve.intensity, np.log10(2))
    assert curve.caption == "mine (liquid, resolution 6 cm-1)"
    with pytest.raises(InputError, match="says neither absorption nor transmission"):
        read(rows, "curve.csv", "ir")
    assert read(rows, "curve.csv", "raman").unit == "arbitrary units"


def test_a_raman_csv_is_told_by_its_laser(read):
    text = "Laser Wavelength,784.9\nTemperature,0\n\nPixel,Wavenumber,Processed\n" + "".join(
        f"{i},{300 + i}.0,{i * i}\n" for i in range(N)
    )
    assert read(text, "curve.csv", "raman").caption == "curve (laser 784.9 nm)"
    with pytest.raises(InputError, match="a raman spectrum, by its laser"):
        read(text, "curve.csv", "ir")


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("C H3 C O C H3", "C3H6O"), ("H 2 O", "H2O"), ("C2 H6 O", "C2H6O"), ("C D4", "CH4"),
        ("C1 H4 O1", "CH4O"), ("Cl H", "ClH"), ("", None), ("C2H6O.H2O", None), ("ethanol", None),
        ("C6H5X", None),
    ],
)  # fmt: skip
def test_formula_of_a_file(text, formula):
    assert stated_formula(text) == formula
    if formula:
        assert hill_formula(atomic_numbers[s] for s in Formula(formula)) == formula
