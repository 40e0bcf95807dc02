"""Spectra, figures, comparison with experiment."""

from pathlib import Path

from painn_spectra.commands.parsing import Add, Arguments, positive_real

SPECTRA_OPTIONS = {  # of `analyze`, as in SpectraSettings: name -> help
    "fwhm_cm": "resolution in cm-1, default: 10",
    "laser_nm": "laser line in nm, default: 532",
    "min_wavenumber_cm": "start of the range in cm-1, default: 100",
    "max_wavenumber_cm": "end of the range in cm-1, default: 4000",
    "window": "gaussian (default, never negative) or hann",
    "rotation": "kept (default) or removed: Eckart frame, needs positions and masses",
}


def spectra(a: Arguments) -> None:
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.settings.dynamics import SpectraSettings
    from painn_spectra.spectra.spectrum import compute_spectra

    settings = parse_settings(SpectraSettings, a.settings)
    compute_spectra(a.trajectory, a.ir, a.raman, a.bands, a.replicas, settings, a.members)


def analyze(a: Arguments) -> None:
    from painn_spectra.analyze import analyze_files
    from painn_spectra.settings.base import validate
    from painn_spectra.settings.dynamics import SpectraSettings
    from painn_spectra.spectra.series import Sampling

    given = {name: getattr(a, name) for name in SPECTRA_OPTIONS if getattr(a, name) is not None}
    sampling = Sampling(a.timestep_fs, a.temperature_K, a.integrator_timestep_fs)
    analyze_files(a.inputs, a.out, sampling, validate(SpectraSettings, given), a.model)


def compare(a: Arguments) -> None:
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.settings.molecule import Experiment
    from painn_spectra.spectra.compare import compare_stage

    experiment = parse_settings(Experiment, a.settings)
    compare_stage(a.spectra, a.figures, a.comparison, a.similarity, experiment, a.harmonic)


def ladder(a: Arguments) -> None:
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.settings.molecule import Experiment
    from painn_spectra.spectra.ladder import ladder_stage

    experiment = parse_settings(Experiment, a.settings)
    ladder_stage(a.results, a.table, a.figures, experiment, a.dynamics)


def declare(add: Add) -> None:
    """These commands and what they take."""
    files = ("trajectory", "ir", "raman", "bands", "replicas")
    add(spectra, "IR and Raman spectra with errors", *files).add_argument(
        "--members", nargs="*", type=Path, default=[], metavar="TRAJECTORY", help="of the ensemble's others"
    )
    paths = ("spectra", "figures", "comparison", "similarity")
    comparing = add(compare, "figures, and comparison with experiment", *paths)
    comparing.add_argument(
        "--harmonic", nargs="*", type=Path, default=[], metavar="CSV", help="harmonic sticks to draw"
    )
    series = add(analyze, "spectra of any trajectory: .npz, .h5, columns of text, extxyz", settings=False)
    series.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="independent replicas")
    series.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results")
    series.add_argument("--timestep-fs", type=positive_real, metavar="FS", help="between samples")
    series.add_argument("--temperature-K", type=positive_real, metavar="K", dest="temperature_K")
    help_text = "of velocity Verlet: its frequency shift is undone; without it the shift stays"
    series.add_argument("--integrator-timestep-fs", type=positive_real, metavar="FS", help=help_text)
    series.add_argument("--model", type=Path, help="trained model, evaluated on extxyz frames")
    for name, help_text in SPECTRA_OPTIONS.items():
        number = name.endswith(("_cm", "_nm"))
        series.add_argument(
            f"--{name.replace('_', '-')}", dest=name, type=float if number else str, help=help_text,
            metavar=name.rpartition("_")[2].upper() if number else None,
            choices=None if number else ("gaussian", "hann") if name == "window" else ("kept", "removed"),
        )  # fmt: skip
    help_text = "bands from harmonic sticks to experiment, step by step"
    climbing = add(ladder, help_text, "results", "table", "figures")
    climbing.add_argument("--dynamics", nargs="+", required=True, metavar="KIND", help="such as trpmd")
