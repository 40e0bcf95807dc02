"""JCAMP-DX out; it is read in jcamp_blocks.py."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from painn_spectra.files import write_text
from painn_spectra.spectra.correlation import Array

LARGEST_INTEGER = 2**31 - 1  # of the standard
POINTS_PER_LINE = 5  # lines of at most 80 characters


def write_jcamp(
    path: Path, data_type: str, unit: str, wavenumber_cm: Array, density: Array, metadata: Mapping[str, str]
) -> None:
    """Write a uniform spectrum as JCAMP-DX 5.01, whole numbers of 32 bits in (X++(Y..Y)) times YFACTOR.

    So do instruments: readers that know the packed forms take the E of 1.5E-07 for a digit.
    McDonald, Wilks, doi:10.1366/0003702884428734.
    """
    n = len(wavenumber_cm)
    spacing = (wavenumber_cm[-1] - wavenumber_cm[0]) / (n - 1)
    largest = float(np.abs(density).max())
    factor = f"{largest / LARGEST_INTEGER:.12E}" if largest else "1.0"
    whole = np.rint(density / float(factor)).astype(int)
    shown = whole * float(factor)
    headings = {
        "TITLE": f"{metadata['molecule']} {data_type.lower()}, {metadata['dynamics']} dynamics",
        "JCAMP-DX": "5.01",
        "DATA TYPE": data_type,
        "DATA CLASS": "XYDATA",
        "ORIGIN": metadata["program"],
        "OWNER": "computed, no restrictions by the program",
        "SPECTROMETER/DATA SYSTEM": f"none, computed: {metadata['method']}",
        **({"INSTRUMENT PARAMETERS": f"laser {metadata['laser_nm']} nm"} if "RAMAN" in data_type else {}),
        "DATA PROCESSING": metadata["corrections"],
        "STATE": metadata["state"],
        "TEMPERATURE": f"{float(metadata['temperature_K']) - 273.15:.2f}",  # °C by the standard
        "RESOLUTION": metadata["fwhm_cm"],
        **{f"$PAINN-SPECTRA {key.upper()}": value for key, value in metadata.items()},
        "XUNITS": "1/CM",
        "YUNITS": unit.upper(),
        "XFACTOR": "1.0",
        "YFACTOR": factor,
        "FIRSTX": f"{wavenumber_cm[0]:.6f}",
        "LASTX": f"{wavenumber_cm[-1]:.6f}",
        "DELTAX": f"{spacing:.9f}",
        "MINX": f"{wavenumber_cm[0]:.6f}",
        "MAXX": f"{wavenumber_cm[-1]:.6f}",
        "FIRSTY": f"{shown[0]:.12E}",
        "MINY": f"{shown.min():.12E}",
        "MAXY": f"{shown.max():.12E}",
        "NPOINTS": str(n),
        "XYDATA": "(X++(Y..Y))",
    }
    lines = [f"##{key}={value}" for key, value in headings.items()]
    for start in range(0, n, POINTS_PER_LINE):
        values = " ".join(str(value) for value in whole[start : start + POINTS_PER_LINE])
        lines.append(f"{wavenumber_cm[start]:.6f} {values}")
    write_text(path, "\n".join([*lines, "##END="]) + "\n")
