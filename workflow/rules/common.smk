# The settings, checked once, and the words the rules share.
import functools
import math
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import validate

from painn_spectra.config import check_keys, load_config
from painn_spectra.download import is_address
from painn_spectra.errors import InputError
from painn_spectra.files import content_hash, fingerprint
from painn_spectra.kinds import block_replicas
from painn_spectra.plan import STAGE_VERSION, stage_settings
from painn_spectra.plan_checks import check_plan
from painn_spectra.sources import (
    chunks,
    computes_labels,
    data_source,
    entry,
    experiment_files,
    labels_file,
    model_source,
    replica_groups,
    rounds,
    shipped_harmonic,
    start_from,
)

# an environment that is not activated still finds its own painn-spectra
os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)

if sys.stderr.isatty(): # jobs write to logs: how far they are stands here too, now and then
    os.environ.setdefault("PAINN_SPECTRA_TERMINAL_S", "30")

try:
    check_keys(workflow.configfiles)
    SETTINGS = load_config(config)
    for warning in check_plan(SETTINGS):
        logger.warning(warning)
except InputError as error:
    raise WorkflowError(str(error)) from None
try: # finds what is read as a number but written as text
    validate(config, "../schemas/config.schema.json", set_default=False)
except WorkflowError as error:
    found = error.__context__ # jsonschema's
    where = ".".join(map(str, found.absolute_path))
    raise WorkflowError(f"{where} = {found.instance!r}: {found.message}; see config/README.md") from None

MOLECULES = [molecule.name for molecule in SETTINGS.molecules if not molecule.published]
PUBLISHED = [molecule.name for molecule in SETTINGS.molecules if molecule.published] # trained and measured only
QM9_TARGETS = SETTINGS.qm9.targets if SETTINGS.qm9 else []
DYNAMICS = SETTINGS.dynamics
MEMBERS = list(range(SETTINGS.train.members))


wildcard_constraints:
    molecule=r"[A-Za-z0-9][A-Za-z0-9_-]*",
    dynamics=r"(classical|rpmd|trpmd|tepigs)[0-9]*",
    member=r"\d+",
    round=r"\d+",
    group=r"\d{4}",


NUMBERS = {"member": "member", "round_number": "round", "chunk": "chunk"} # argument: wildcard

FIGURE_TWINS = [".pdf", ".png", "-column.svg", "-column.pdf", "-column.png"] # as painn_spectra.plotting.versions


def more(amount):
    """`resources` function: `amount` at the first attempt, twice as much at the second, and so on."""
    return lambda wildcards, attempt: attempt * amount


def gpus(device):
    """`resources` value: the GPU that a setting `device` asks for; with `auto` a job takes what it finds."""
    return 1 if device == "cuda" else 0


def settings(stage):
    """`params` function: the JSON of what `stage` uses for the job's wildcards."""

    def of_job(wildcards):
        numbers = {key: int(wildcards.get(name, 0)) for key, name in NUMBERS.items()}
        return stage_settings(SETTINGS, stage, wildcards.molecule, dynamics=wildcards.get("dynamics", ""), **numbers)

    return of_job


def of_data(file, name):
    """`file` of the entry whose data set serves the entry `name`."""
    return f"results/{data_source(SETTINGS, name)}/{file}"


def models(name):
    """The trained ensemble that serves the entry `name`."""
    return expand("results/{source}/model/{member}/model.pt", source=model_source(SETTINGS, name), member=MEMBERS)


def errors(name="{molecule}"):
    """Error tables of the ensemble and of each member: asked for by name, so that a new member is evaluated."""
    return expand("results/{molecule}/evaluation/{table}.csv", molecule=name, table=["errors", *MEMBERS])


def conditions(wildcards):
    """Temperature, laser line and number of models, for captions."""
    temperature_K = entry(SETTINGS, wildcards.molecule).temperature_K
    return {"temperature_K": temperature_K, "laser_nm": SETTINGS.spectra.laser_nm, "n_models": len(MEMBERS)}


def twins(*stems):
    """The files of figures beside the .svg that the report of Snakemake shows."""
    return [f"{stem}{ending}" for stem in stems for ending in FIGURE_TWINS]


def dataset(wildcards):
    return of_data("dataset.extxyz", wildcards.molecule)


def split(wildcards):
    return of_data("split.json", wildcards.molecule)


def first_data(file):
    """Input function: `file` of the first round. What comes before the final training, cheap labels and the
    models that sample, must not know what later rounds hold out."""

    def of_job(wildcards):
        source = data_source(SETTINGS, wildcards.molecule)
        return f"results/{source}/rounds/0/{file}" if rounds(SETTINGS, source) else f"results/{source}/{file}"

    return of_job


def sticks(wildcards):
    """Harmonic tables that the figures show: what is expensive only where it ships."""
    shipped = shipped_harmonic(SETTINGS, wildcards.molecule)
    kinds = ["reference", "model"] if shipped else ["model"]
    return expand("results/{molecule}/harmonic/{kind}.csv", molecule=wildcards.molecule, kind=kinds)


def harmonic_comparison(wildcards):
    """The comparison of modes where it costs no labels."""
    shipped = shipped_harmonic(SETTINGS, wildcards.molecule)
    return f"results/{wildcards.molecule}/harmonic/comparison.csv" if shipped else []


def has_reference(name):
    """Whether the labels' method can be asked for more: other programs' labels are brought along."""
    method = entry(SETTINGS, data_source(SETTINGS, name)).method
    return method.program != "other"
