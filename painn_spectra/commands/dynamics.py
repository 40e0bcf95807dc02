"""Dynamics with a model, and dynamics of others with ours."""

from pathlib import Path

from painn_spectra.commands.parsing import Add, Arguments, port, take_threads, whole


def md(a: Arguments) -> None:
    from painn_spectra.md.run import run_dynamics
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import DynamicsStage

    s = parse_settings(DynamicsStage, a.settings)
    run_dynamics(
        a.model, a.dataset, a.trajectory, a.report, s.md, s.molecule, s.dynamics, s.temperature_K, s.isotopes,
        a.threads, first_member=a.first_member, correction=a.correction, group=a.group, split=a.split,
    )  # fmt: skip


def sample_centroids(a: Arguments) -> None:
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import CentroidsStage
    from painn_spectra.tepigs.centroids import sample_centroids as run

    s = parse_settings(CentroidsStage, a.settings)
    run(a.model, a.dataset, a.centroids, a.split, s.tepigs, s.isotopes, a.threads)


def ipi(a: Arguments) -> None:
    from painn_spectra.ipi import run_driver

    run_driver(a.model, a.structure, a.host, a.port, a.unix)


def declare(add: Add) -> None:
    """These commands and what they take."""
    moving = add(md, "molecular dynamics of all replicas", "model", "dataset", "trajectory", "report")
    moving.add_argument(
        "--first-member", type=Path, metavar="MODEL", help="of the ensemble, to start its replicas alike"
    )
    moving.add_argument("--split", type=Path, help="to tell both members' spread beside that on test frames")
    moving.add_argument(
        "--group", type=whole, metavar="N", help="only the Nth md.replicas_per_job replicas, from 0"
    )
    moving.add_argument(
        "--correction",
        nargs=2,
        type=Path,
        metavar=("MODEL", "CENTROIDS"),
        help="of tepigs, added to the model",
    )
    help_text = "what quantum nuclei add to the forces on their centroids"
    adding = add(sample_centroids, help_text, "model", "dataset", "centroids", "split")
    for command in (moving, adding):
        take_threads(command)
    driver = add(ipi, "serve i-PI with a model, dipole and polarizability in the extras", settings=False)
    driver.add_argument("model", type=Path, metavar="MODEL")
    driver.add_argument("structure", type=Path, metavar="STRUCTURE", help="extxyz: the atoms in i-PI's order")
    driver.add_argument("--host", default="localhost", help="where i-PI listens, default: %(default)s")
    driver.add_argument("--port", type=port, default=31415, metavar="N", help="default: %(default)s")
    driver.add_argument("--unix", metavar="NAME", help="name of a UNIX socket, instead of host and port")
