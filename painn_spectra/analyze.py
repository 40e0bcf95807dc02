"""`painn-spectra analyze`: the spectra of anybody's trajectory, by the same estimator as the workflow's."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra.analysis import analyse
from painn_spectra.spectra.columns import infrared_columns, raman_columns
from painn_spectra.spectra.npz_file import npz_numbers, open_npz
from painn_spectra.spectra.series import SERIES_SHAPES, Sampling, Series, joined, series_of_arrays
from painn_spectra.spectra.spectrum import write_spectra
from painn_spectra.spectra.text_file import open_text
from painn_spectra.spectra.trajectory_file import open_trajectory

FRAMES = (".extxyz", ".xyz")
TABLES = (".csv", ".json", ".jdx")
SETTING = re.compile(r"(?:spectra\.)?\b((?:fwhm|laser|min_wavenumber|max_wavenumber)_(?:cm|nm))\b")
LOOKED_AT = 1000  # samples by which replicas are told apart


def analyze_files(
    inputs: Sequence[Path],
    out: Path,
    sampling: Sampling,
    settings: SpectraSettings,
    model: Path | None = None,
) -> None:
    """Write ir, raman (.csv, .json, .jdx, figures), bands.csv and replicas.npz into `out`.

    inputs: files of independent replicas of one molecule. A spectrum whose property is absent is not written,
    and an earlier one in `out` is removed.
    """
    from painn_spectra.plotting import versions
    from painn_spectra.spectra.figures import draw_infrared, draw_raman

    check_paths(inputs, out, model)
    with ExitStack() as stack:
        parts = [stack.enter_context(open_series(path, sampling, model)) for path in inputs]
        series = joined(parts)
        check_independent(series)
        try:
            spectra = analyse(series, settings)
        except InputError as error:
            raise InputError(as_options(str(error))) from None
    files = [out / name for name in ("ir.csv", "raman.csv", "bands.csv", "replicas.npz")]
    for path in written(out):  # an earlier run may have had a spectrum that this one has not
        path.unlink(missing_ok=True)
    write_spectra(spectra, *files)
    for name, draw, columns in (
        ("ir", draw_infrared, infrared_columns(spectra)),
        ("raman", draw_raman, raman_columns(spectra)),
    ):
        for width_in, drawn in versions(out / name) if columns else ():
            draw(spectra.metadata, columns, drawn, width_in=width_in)
    if spectra.metadata["n_replicas"] == "1":
        print("no error bars: one series has none, give independent replicas")
    print(f"written to {out}")


def written(out: Path) -> list[Path]:
    """All files that a run may leave in `out`."""
    from painn_spectra.plotting import figure_files

    names = [f"{kind}{ending}" for kind in ("ir", "raman") for ending in TABLES]
    drawn = [path for kind in ("ir", "raman") for _, files in figure_files(out / kind) for path in files]
    return [out / name for name in (*names, "power.csv", "bands.csv", "bands.json", "replicas.npz")] + drawn


def check_paths(inputs: Sequence[Path], out: Path, model: Path | None) -> None:
    """Raise InputError for an input given twice or to be overwritten, and for a model that nothing needs."""
    places, results = [path.resolve() for path in inputs], {path.resolve() for path in written(out)}
    for path, place in zip(inputs, places, strict=True):
        if places.count(place) > 1:
            raise InputError(f"{path}: is given twice; independent replicas make error bars, give it once")
        if place in results:
            raise InputError(f"{path}: would be overwritten by the results; give another folder with --out")
    if model and not any(path.suffix.lower() in FRAMES for path in inputs):
        raise InputError(f"--model {model}: is for geometries, {' or '.join(FRAMES)}; leave it out")


def check_independent(series: Series) -> None:
    """Raise InputError where two replicas begin with the same samples: no error bars come of copies."""
    names = sorted(set(SERIES_SHAPES) & set(series.quantities))
    seen: dict[bytes, int] = {}
    for replica in range(series.n_replicas):
        found = [
            np.asarray(series.quantities[name][1](replica, 0, min(LOOKED_AT, series.n_samples)))
            for name in names
        ]
        if any(np.ptp(values, axis=0).any() for values in found):  # else H2's dipole: zero in all
            same = seen.setdefault(b"".join(values.tobytes() for values in found), replica)
            if same != replica:
                raise InputError(
                    f"{series.path}: replicas {same} and {replica}, counted through all files, are the same "
                    "series; independent replicas make error bars, give each once"
                )


def as_options(message: str) -> str:
    """A message about settings in the words of the command line: spectra.fwhm_cm -> --fwhm-cm."""
    message = message.replace("spectra.rotation = removed", "--rotation removed")
    return SETTING.sub(lambda found: "--" + found[1].replace("_", "-"), message)


@contextmanager
def open_series(path: Path, sampling: Sampling, model: Path | None = None) -> Iterator[Series]:
    """Open a file by its ending: .npz, .h5, .extxyz or .xyz with a model, or else columns of text."""
    suffix = path.suffix.lower()
    if suffix in FRAMES:
        if model is None:
            raise InputError(f"{path}: geometries carry no dipole; give --model with a trained model.pt")
        yield frames_series(path, sampling, model)
    elif suffix in (".h5", ".hdf5"):
        with open_trajectory(path, sampling) as series:
            yield series
    elif suffix == ".npz":
        numbers = npz_numbers(path)
        masses = None if numbers is None else standard_masses(path, numbers)
        numbers = None if numbers is None else numbers.astype(int)
        with open_npz(path, sampling, numbers, masses) as series:
            yield series
    elif path.is_dir():
        raise InputError(f"{path}: is a folder; give the files in it")
    else:
        with open_text(path, sampling) as series:
            yield series


def standard_masses(path: Path, numbers: np.ndarray) -> np.ndarray:
    """Masses (n_atoms,) | amu of atomic numbers (n_atoms,)."""
    from ase.data import atomic_masses

    whole = np.asarray(numbers).astype(int)
    if not whole.size or not (whole == numbers).all() or whole.min() < 1 or whole.max() > 94:
        raise InputError(f"{path}: 'numbers' are not atomic numbers from 1 to 94; correct or remove them")
    return atomic_masses[whole]


def frames_series(path: Path, sampling: Sampling, model: Path) -> Series:
    """Dipole and polarizability of the frames of one molecule, evaluated by a trained model."""
    from painn_spectra.dataset import read_frames
    from painn_spectra.evaluate import predict
    from painn_spectra.model.checkpoint import load_model

    if not path.is_file():
        raise InputError(f"{path}: no such file; correct the path")
    frames = read_frames(path, required=())
    strange = np.flatnonzero((frames.numbers != frames.numbers[0]).any(axis=1))
    if len(strange):
        raise InputError(
            f"{path}: frame {strange[0]} holds other atoms than frame 0; give one molecule, atoms in order"
        )
    wanted = (keys.DIPOLE, keys.POLARIZABILITY)
    found = predict(load_model(model), frames, model, wanted)
    arrays = {name: found[name][None] for name in wanted} | {keys.SPARSE_POSITIONS: frames.positions[None]}
    numbers = frames.numbers[0]
    return series_of_arrays(path, sampling, arrays, standard_masses(path, numbers), numbers)
