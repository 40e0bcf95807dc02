"""Minima, harmonic and anharmonic sticks, torsions."""

from painn_spectra.commands.parsing import Add, Arguments, take_threads


def harmonic_reference(a: Arguments) -> None:
    from painn_spectra.harmonic_reference import harmonic_reference as run
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import HarmonicStage

    s = parse_settings(HarmonicStage, a.settings)
    state = (s.method, s.charge, s.multiplicity, s.isotopes, s.temperature_K)
    run(a.conformers, a.table, *state, a.threads, a.polarizability_anew)


def harmonic_model(a: Arguments) -> None:
    from painn_spectra.harmonic_model import harmonic_model as run
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import HarmonicStage

    s = parse_settings(HarmonicStage, a.settings)
    run(a.model, a.dataset, a.table, a.conformers, s.isotopes, s.temperature_K)


def harmonic_compare(a: Arguments) -> None:
    from painn_spectra.harmonic_comparison import compare_harmonic

    compare_harmonic(a.reference, a.model, a.comparison)


def vpt2(a: Arguments) -> None:
    from painn_spectra.vpt2.stage import run_vpt2

    run_vpt2(a.model, a.harmonic, a.table)


def torsions(a: Arguments) -> None:
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import HarmonicStage
    from painn_spectra.torsions import torsions as run

    s = parse_settings(HarmonicStage, a.settings)
    level = (s.method, s.charge, s.multiplicity)
    run(a.model, a.conformers, a.profiles, a.barriers, a.figures, level, a.bond, a.threads)


def declare(add: Add) -> None:
    """These commands and what they take."""
    help_text = "minima and harmonic spectra of the labels' method"
    reference = add(harmonic_reference, help_text, "conformers", "table")
    reference.add_argument(
        "--polarizability-anew", action="store_true", help="of the conformers in an .npz file, nothing else"
    )
    help_text = "energy profiles about rotatable bonds, model and reference"
    turning = add(torsions, help_text, "model", "conformers", "profiles", "barriers", "figures")
    turning.add_argument(
        "--bond", nargs=4, type=int, action="append", metavar="ATOM",
        help="dihedral by atom indices from 0, repeatable; default: one about every rotatable bond",
    )  # fmt: skip
    for command in (reference, turning):
        take_threads(command)
    help_text = "minima and harmonic spectra of a trained model"
    add(harmonic_model, help_text, "model", "dataset", "table", "conformers")
    help_text = "anharmonic sticks of the model's conformers (VPT2)"
    add(vpt2, help_text, "model", "harmonic", "table", settings=False)
    help_text = "modes of the model beside the reference's"
    add(harmonic_compare, help_text, "reference", "model", "comparison", settings=False, recorded=True)
