"""Colours of the report and the figures: legible on their ground, told apart with any colour vision."""

import re
from pathlib import Path

import numpy as np
import pytest

from painn_spectra import plotting

CSS = (Path(__file__).parents[1] / "painn_spectra/report/assets/report.css").read_text(encoding="utf-8")
BLOCKS = {  # from its selector to the end of its rule
    theme: dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", CSS[CSS.index(start) :].partition("}")[0]))
    for theme, start in {"light": ":root {", "dark": ':root[data-theme="dark"]'}.items()
}
FIGURES = {name.lower(): getattr(plotting, name).lower() for name in ("BLUE", "GREEN", "VERMILION", "BLACK")}
# Machado, Oliveira, Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1, on linear RGB
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])
# full lines of one panel; what else is there differs by dashes, hatching or markers
TOGETHER = [
    ("blue", "purple"), ("ink", "blue"), ("ink", "green"), ("green", "purple"), ("green", "vermilion"),
    ("green", "blue"), ("vermilion", "blue"), ("vermilion", "purple"), ("purple", "orange"),
]  # fmt: skip
CLEAR = 10.0  # CIE 1976 difference; 2.3 is just noticeable


def linear(colour):
    """Linear RGB of #rrggbb."""
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """WCAG's ratio of luminances."""
    a, b = sorted((float(TO_XYZ[1] @ linear(colour)) for colour in (one, other)), reverse=True)
    return (a + 0.05) / (b + 0.05)


def lab(rgb):
    t = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one, other, vision):
    a, b = (lab(VISION[vision] @ linear(colour)) for colour in (one, other))
    return float(np.linalg.norm(a - b))


def test_published_values():
    assert contrast("#000000", "#ffffff") == pytest.approx(21, abs=0.01)
    assert contrast("#777777", "#ffffff") == pytest.approx(
        4.48, abs=0.01
    )  # WCAG's own example of just too little
    assert lab(linear("#ffffff")) == pytest.approx([100, 0, 0], abs=0.05)
    assert difference("#ff0000", "#00ff00", "usual") == pytest.approx(170.6, abs=0.5)


@pytest.mark.parametrize("theme", BLOCKS)
def test_everything_stands_out_from_its_ground(theme):
    colours = BLOCKS[theme]
    for name in ("ink", "faint"):  # text, also on panels and cautions
        for ground in ("ground", "panel", "caution"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in ("blue", "green", "vermilion", "purple", "orange"):
        assert contrast(colours[name], colours["ground"]) >= 3, name


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", BLOCKS)
def test_lines_of_one_panel_are_told_apart(theme, vision):
    for one, other in TOGETHER:
        assert difference(BLOCKS[theme][one], BLOCKS[theme][other], vision) >= CLEAR, (one, other)


@pytest.mark.parametrize("vision", VISION)
def test_lines_of_a_figure_are_told_apart(vision):
    for one, other in (("black", "vermilion"), ("black", "blue"), ("vermilion", "blue"), ("black", "green")):
        assert difference(FIGURES[one], FIGURES[other], vision) >= CLEAR, (one, other)
