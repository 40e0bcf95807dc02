"""Wrong inputs, each with a function that meets it: tested in test_errors_page.py, printed in docs/errors.md.

`python tests/error_cases.py` writes the page. Every case runs in an empty folder of its own.
"""

import ast
import contextlib
import os
import pickle
import socket
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from fuzz_readers import PACKED, label_seeds, read_columns, read_labels, read_npz, read_trajectory
from small_model import write_model
from toy_trajectory import write_trajectory

from painn_spectra.cli import parser
from painn_spectra.config import load_config
from painn_spectra.dataset import read_atoms
from painn_spectra.download import local_copy
from painn_spectra.errors import InputError
from painn_spectra.files import output_lock
from painn_spectra.model.checkpoint import load_model
from painn_spectra.molecules import read_structure
from painn_spectra.plan_checks import check_plan
from painn_spectra.settings.base import parse_object
from painn_spectra.spectra.compare import read_bands
from painn_spectra.spectra.csv_files import read_spectrum, read_table
from painn_spectra.spectra.harmonic import read_conformers
from painn_spectra.spectra.measured import read_measured
from painn_spectra.spectra.npz_file import open_npz
from painn_spectra.spectra.series import Sampling

PAGE = Path(__file__).parents[1] / "docs/errors.md"


@dataclass(frozen=True)
class Case:
    """A section of the page, what is wrong in words or as written, and the call that raises InputError."""

    section: str
    wrong: str
    call: Callable[[], object]


def config(section: str, text: str, **raw: Any) -> Case:
    """A config that is refused; `text` is what one would have written."""
    whole = {"molecules": [{"name": "a", "structure": "O"}], **raw}
    return Case(section, f"`{text}`", lambda: check_plan(load_config(whole)))


def molecule(text: str, **entry: Any) -> Case:
    return config("Molecules", text, molecules=[{"name": "a", "structure": "O", **entry}])


def settings(text: str) -> Case:
    """A setting `part.name: value`, as in the file."""
    path, _, value = text.partition(": ")
    part, _, name = path.partition(".")
    return config("Settings", text, **{part: {name: ast.literal_eval(value)}})


def written(name: str, content: str | bytes, read: Callable[[Path], object]) -> Callable[[], object]:
    def call() -> object:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return read(Path(name))

    return call


@cache
def frame(which: int = 1) -> str:
    """A labelled water, as extxyz, twice; 2: once, with derivatives."""
    with tempfile.TemporaryDirectory() as folder:
        return label_seeds(Path(folder))[which].decode()


def labels(wrong: str, old: str, new: str) -> Case:
    """A file of labels with one change."""

    def call() -> object:
        text = frame()
        assert old in text, old
        return written("labels.extxyz", text.replace(old, new), read_labels)()

    return Case("Labelled frames (extxyz)", wrong, call)


def measured(wrong: str, content: str, name: str = "a.jdx", kind: Any = "ir") -> Case:
    return Case(
        "Measured curves (JCAMP-DX, CSV)", wrong, written(name, content, lambda p: read_measured(p, kind))
    )


def jcamp(wrong: str, old: str, new: str, kind: Any = "ir") -> Case:
    assert old in PACKED.decode(), old
    return measured(wrong, PACKED.decode().replace(old, new), kind=kind)


def trajectory(wrong: str, change: Callable[[h5py.File], object]) -> Case:
    def call() -> object:
        path = write_trajectory(Path("trajectory.h5"))
        with h5py.File(path, "a") as file:
            change(file)
        return read_trajectory(path)

    return Case("Trajectories (HDF5, npz, text)", wrong, call)


def replaced(name: str, *arguments: Any, **options: Any) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, *arguments, **options)

    return change


def odd_floats(file: h5py.File) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_ebias(40_000)
    shape = h5py.h5s.create_simple(file["dipole"].shape)
    file.pop("dipole")
    h5py.h5d.create(file.id, b"dipole", kind, shape)


def odd_attribute(file: h5py.File) -> None:
    kind = h5py.h5t.IEEE_F64LE.copy()
    kind.set_ebias(40_000)
    file.attrs.pop("temperature_K")
    h5py.h5a.create(file.id, b"temperature_K", kind, h5py.h5s.create(h5py.h5s.SCALAR))


def linked(file: h5py.File) -> None:
    del file["dipole"]
    file["dipole"] = h5py.ExternalLink("/etc/passwd", "dipole")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 2500, 3), "f4")
    layout[...] = h5py.VirtualSource("/etc/other.h5", "dipole", (3, 2500, 3))
    del file["dipole"]
    file.create_virtual_dataset("dipole", layout)


class Malicious:
    """A pickle of this runs a command when it is loaded without care."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


def pickled_npz() -> object:
    np.savez("dipole.npz", dipole=np.array([Malicious()], dtype=object))
    return read_npz(Path("dipole.npz"))


def huge_npz() -> object:
    np.savez("dipole.npz", dipole=np.ones((2, 4, 3)))
    with zipfile.ZipFile("dipole.npz") as old:
        content = old.read("dipole.npy").replace(b"(2, 4, 3), }    ", b"(2, 40000, 3), }")
    with zipfile.ZipFile("dipole.npz", "w") as new:
        new.writestr("dipole.npy", content)
    return read_npz(Path("dipole.npz"))


def unsampled_npz() -> object:
    np.savez("a.npz", dipole=np.ones((2, 4, 3)))
    return open_npz(Path("a.npz"), Sampling()).__enter__()


def pickled_model() -> object:
    torch.save({"header": "{}", "state": Malicious()}, "model.pt")
    return load_model("model.pt")


def plain_pickle() -> object:
    Path("model.pt").write_bytes(pickle.dumps(Malicious()))
    return load_model("model.pt")


def model(change: Callable[[dict[str, Any]], object]) -> Callable[[], object]:
    def call() -> object:
        content = torch.load(write_model(Path("model.pt")), weights_only=True)
        change(content)
        torch.save(content, "model.pt")
        return load_model("model.pt")

    return call


def header(old: str, new: str) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        assert old in content["header"], content["header"]
        content["header"] = content["header"].replace(old, new)

    return change


def held_lock() -> object:
    with output_lock("trajectory.h5"), output_lock("trajectory.h5"):
        return None


def command(*words: str) -> Case:
    shown = " ".join(f"'{word}'" if " " in word or not word else word for word in words)
    return Case("Command line", f"`painn-spectra {shown}`", lambda: parser().parse_args(words))


CURVE = "\n".join(f"{x},{x % 7}" for x in range(400, 420))
HEADED = "wavenumber,absorbance\n" + CURVE
BANDS = "spectrum,phase,position_cm-1,lower_cm-1,upper_cm-1,area_km_mol-1,assignment,source\n"

CASES = [
    config("Molecules", "molecules: []", molecules=[]),
    config("Molecules", "molecules: water", molecules="water"),
    config("Molecules", "two entries named a", molecules=[{"name": "a", "structure": "O"}] * 2),
    molecule("name: ../a", name="../a"),
    molecule("name: $(touch x)", name="$(touch x)"),
    molecule("name: -a", name="-a"),
    molecule("name: \"a\\nb\"", name="a\nb"),
    molecule("name: a'b", name="a'b"),
    molecule('name: "a\\n"', name="a\n"),
    molecule("charge: plus", charge="plus"),
    molecule("multiplicity: 0", multiplicity=0),
    molecule("temperature_K: -3", temperature_K=-3),
    molecule("temperature_K: .nan", temperature_K=float("nan")),
    molecule("isotopes: {H-O: 0}", isotopes={"H-O": 0}),
    molecule("isotopes: {hydrogen: 2}", isotopes={"hydrogen": 2}),
    molecule("structure: \"[2H]O\" beside isotopes: {0: 2}", structure="[2H]O", isotopes={0: 2}),
    molecule("structure: O, isotopes: {99: 2}", isotopes={99: 2}),
    molecule("structure: O, isotopes: {H-N: 2}", isotopes={"H-N": 2}),
    molecule("structure: [99H]O", structure="[99H]O"),
    molecule("structure: C.C", structure="C.C"),
    molecule("structure: O, charge: 1", charge=1),
    molecule("structure: none.xyz", structure="none.xyz"),
    molecule("labels: none.extxyz", labels="none.extxyz"),
    molecule("labels: -x.extxyz", labels="-x.extxyz"),
    molecule('labels: "a\\nb.extxyz"', labels="a\nb.extxyz"),
    molecule('labels: ""', labels=""),
    molecule("labels: a.extxyz beside labels_from: b", labels="a.extxyz", labels_from="b"),
    molecule("labels_from: b", labels_from="b"),
    molecule("model_from: a, of itself", model_from="a"),
    molecule("structure left out, no labels", structure=None),
    molecule("method: {program: gaussian}", method={"program": "gaussian"}),
    molecule("method: {program: other}, no labels", method={"program": "other"}),
    config("Molecules", "method: {program: gpu4pyscf}, sampling: {derivatives_fraction: 0.5}",
           molecules=[{"name": "a", "structure": "O", "method": {"program": "gpu4pyscf"}}],
           sampling={"derivatives_fraction": 0.5}),
    molecule("experiment: {ir: none.jdx}", experiment={"ir": "none.jdx"}),
    molecule("experiment: {ir: ftp://a/b.jdx}", experiment={"ir": "ftp://a/b.jdx"}),
    molecule("experiment: {ir: file:///etc/passwd}", experiment={"ir": "file:///etc/passwd"}),
    config("Settings", "quality: best", quality="best"),
    config("Settings", "speed: 1", speed=1),
    config("Settings", "dynamics: [fast]", dynamics=["fast"]),
    config("Settings", "dynamics: [trpmd, trpmd32]", dynamics=["trpmd", "trpmd32"]),
    config("Settings", "spectra.rotation: removed without md.record_motion",
           spectra={"rotation": "removed"}, md={"record_motion": False}),
    settings("md.timestep_fs: 0"),
    settings("md.timestep_fs: 2.0"),
    settings("md.record_interval_steps: 20"),
    settings("md.production_ps: 0.1"),
    settings("md.n_replicas: 2.5"),
    settings("md.n_replica: 3"),
    settings("md.replicas_per_job: 10"),
    settings("md.until_relative_error: 5"),
    settings("train.epochs: 0"),
    settings("train.ema_decay: 1"),
    settings("train.device: 'tpu'"),
    settings("train.pretrain: {'n_frames': 5}"),
    settings("train.loss: {'energy': 0, 'forces': 0, 'dipole': 0, 'polarizability': 0}"),
    settings("model.n_features: 63"),
    settings("model.cutoff_A: -1"),
    settings("dataset.test_fraction: 1.5"),
    settings("spectra.fwhm_cm: 900"),
    settings("spectra.laser_nm: 3000"),
    settings("spectra.min_wavenumber_cm: 4500"),
    settings("spectra.max_wavenumber_cm: 150"),
    settings("spectra.window: 'box'"),
    command("label"),
    command("md", "--threads", "0"),
    command("analyze", "a.npz", "--out", "b", "--timestep-fs", "-1"),
    Case("Command line", "`--settings '{'`", lambda: parse_object("{")),
    Case("Command line", "`--settings '[1]'`", lambda: parse_object("[1]")),
    Case("Command line", "no such structure", lambda: read_structure("no such molecule")),
    Case("Command line", "an output that another process is writing", held_lock),
    Case("Labelled frames (extxyz)", "no such file", lambda: read_labels(Path("labels.extxyz"))),
    Case("Labelled frames (extxyz)", "an empty file", written("labels.extxyz", "", read_atoms)),
    labels("a forces column left out", "REF_forces:R:3", "other:R:3"),
    labels("plain `energy`, which ASE swallows", "REF_energy", "energy"),
    labels("an energy that is a word", "REF_energy=-76.0", "REF_energy=low"),
    labels("an energy that is no number", "REF_energy=-76.0", "REF_energy=nan"),
    labels("three components of a polarizability", 'REF_polarizability="1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 1.0"',
           'REF_polarizability="1.0 0.0 0.0"'),
    labels("a polarizability that is not symmetric",
           'REF_polarizability="1.0 0.0', 'REF_polarizability="1.0 0.5'),
    Case("Labelled frames (extxyz)", "derivatives of another dipole",
         lambda: written("labels.extxyz", frame(2).replace('REF_dipole="', 'REF_dipole="-'), read_labels)()),
    labels("a periodic frame", 'pbc="F F F"', 'pbc="T T T" Lattice="9 0 0 0 9 0 0 0 9"'),
    labels("an element that is none", "O  ", "Qq "),
    labels("a count of atoms too large", "3\n", "4\n"),
    Case("Labelled frames (extxyz)", "the last line cut short",
         lambda: written("labels.extxyz", frame()[:-10], read_labels)()),
    jcamp("no ##END=", "##END=", "##ENDE="),
    jcamp("fewer points than ##NPOINTS says", "##NPOINTS=12", "##NPOINTS=14"),
    jcamp("##NPOINTS that would fill the memory", "##NPOINTS=12", "##NPOINTS=999999999999"),
    jcamp("a repeat that would fill the memory", "JV", "JV99999999999"),
    jcamp("a check value that does not fit", "403A05", "403A06"),
    jcamp("an unknown ordinate", "TRANSMITTANCE", "COUNTS"),
    jcamp("an unknown abscissa", "1/CM", "SECONDS"),
    jcamp("a factor that is a word", "##YFACTOR=0.01", "##YFACTOR=big"),
    jcamp("an axis without extent", "##XFACTOR=1", "##XFACTOR=0"),
    jcamp("an infrared file where Raman is expected", "TITLE=a", "TITLE=a", "raman"),
    measured("a web page", "<html>not found</html>"),
    measured("an empty file", ""),
    measured("a table of five rows", "400,1\n401,1\n402,1\n403,1\n404,1\n", "a.csv"),
    measured("an infrared column without a unit", CURVE, "a.csv"),
    measured("a row cut short", HEADED + "\n420", "a.csv"),
    Case("Measured curves (JCAMP-DX, CSV)", "https:// address without a host", lambda: local_copy("https:///a.jdx")),
    Case("Measured curves (JCAMP-DX, CSV)", "published bands without their columns",
         written("bands.csv", "a,b\n1,2\n", read_bands)),
    Case("Measured curves (JCAMP-DX, CSV)", "a published band outside its window",
         written("bands.csv", BANDS + "ir,gas,900,950,1000,,a,b\n", read_bands)),
    Case("Measured curves (JCAMP-DX, CSV)", "a row of a table too short",
         written("ir.csv", "a,b\n1\n", read_table)),
    Case("Measured curves (JCAMP-DX, CSV)", "a spectrum with words in it",
         written("ir.csv", "a,b\n1,x\n", read_spectrum)),
    trajectory("another version", lambda file: file.attrs.modify("format_version", 99)),
    trajectory("no temperature", lambda file: file.attrs.pop("temperature_K")),
    trajectory("a time step below zero", lambda file: file.attrs.modify("sample_interval_fs", -1.0)),
    trajectory("no dipoles", lambda file: file.pop("dipole")),
    trajectory("dipoles of whole numbers", replaced("dipole", data=np.ones((3, 2500, 3), int))),
    trajectory("fewer dipoles than polarizabilities", replaced("dipole", data=np.ones((3, 9, 3)))),
    trajectory("a size that the file does not hold",
               replaced("dipole", (10**6, 10**6, 3), "f4", chunks=True)),
    trajectory("floats with an exponent like no other's", odd_floats),
    trajectory("a temperature like that", odd_attribute),
    trajectory("a link to another file", linked),
    trajectory("a virtual dataset", virtual),
    trajectory("starts that are no JSON", lambda file: file.attrs.create("starts", "{")),
    trajectory("a dipole that is no number", lambda file: file["dipole"].__setitem__((1, 7), np.nan)),
    Case("Trajectories (HDF5, npz, text)", "a damaged file",
         written("trajectory.h5", b"\x89HDF", read_trajectory)),
    Case("Trajectories (HDF5, npz, text)", "a pickle in an .npz file", pickled_npz),
    Case("Trajectories (HDF5, npz, text)", "a claimed size in an .npz file", huge_npz),
    Case("Trajectories (HDF5, npz, text)", "an .npz file without a time step",
         unsampled_npz),
    Case("Trajectories (HDF5, npz, text)", "derivatives that are no .npz file",
         written("harmonic.npz", b"PK", read_conformers)),
    Case("Trajectories (HDF5, npz, text)", "columns without names",
         written("a.txt", "1 2 3\n", read_columns)),
    Case("Trajectories (HDF5, npz, text)", "a column missing",
         written("a.txt", "mu_x mu_y\n1 2\n", read_columns)),
    Case("Models", "no such file", lambda: load_model("model.pt")),
    Case("Models", "a pickle that runs a command", pickled_model),
    Case("Models", "an old pickle that runs a command", plain_pickle),
    Case("Models", "another version", model(header('"format_version": 2', '"format_version": 9'))),
    Case("Models", "weights of another size", model(header('"n_features": 8', '"n_features": 16'))),
    Case("Models", "a size that would fill the memory",
         model(header('"n_features": 8', '"n_features": 80000000'))),
    Case("Models", "a billion layers", model(header('"n_layers": 2', '"n_layers": 1000000000'))),
    Case("Models", "a weight missing", model(lambda content: content["state"].popitem())),
]  # fmt: skip


@contextlib.contextmanager
def empty_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield Path(folder)


def message(case: Case) -> str:
    """What a user is told; AssertionError where the input is taken."""
    with empty_folder() as folder:
        try:
            case.call()
        except InputError as error:
            assert not (folder / "executed").exists(), "the input ran a command"
            return str(error).replace(f"{os.getpid()} on {socket.gethostname()}", "4321 on node7")
    raise AssertionError(f"{case.wrong}: accepted")


def page() -> str:
    lines = [
        "# What is printed for wrong inputs",
        "",
        "Generated from `tests/error_cases.py` (`make errors-page`); a test holds it. Each is one line "
        "on standard error after `painn-spectra: error:`, or Snakemake's `WorkflowError`; nothing is "
        "written. Exit code 2.",
    ]
    for section in dict.fromkeys(case.section for case in CASES):
        lines += ["", f"## {section}", "", "| wrong | printed |", "|---|---|"]
        lines += [
            f"| {cell(case.wrong)} | {cell(message(case))} |" for case in CASES if case.section == section
        ]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0)
