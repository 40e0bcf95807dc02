"""Every reader of a file that somebody else may have written: how it is called, and inputs to start from.

A reader may return or raise InputError with one line; anything else is a finding. Used by fuzz.py, which is
guided by coverage, and by test_fuzzing.py, which repeats the findings and mutates a little at every test run.
"""

import io
import json
import os
import signal
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import torch
import yaml
from ase.io import write
from small_model import two_molecules, write_model
from toy_trajectory import write_trajectory

from painn_spectra import keys
from painn_spectra.config import load_config
from painn_spectra.dataset import labelled_atoms, labelled_geometries, read_frames
from painn_spectra.errors import InputError
from painn_spectra.label_checks import check_units
from painn_spectra.model.checkpoint import load_model
from painn_spectra.spectra import hdf5_apart, hdf5_child
from painn_spectra.spectra.compare import read_bands, read_replicas
from painn_spectra.spectra.csv_files import read_spectrum, read_table, write_table
from painn_spectra.spectra.harmonic import read_conformers, read_sticks
from painn_spectra.spectra.jcamp import write_jcamp
from painn_spectra.spectra.measured import read_measured
from painn_spectra.spectra.npz_file import open_npz
from painn_spectra.spectra.series import Sampling, Series
from painn_spectra.spectra.text_file import open_text
from painn_spectra.spectra.trajectory_file import open_trajectory

ANSWER_S = 5.0  # instead of a user's minute
LONGEST_LINE = 4000  # of a message: what is wrong is shown, but not a whole file
SAMPLING = Sampling(1.0, 300.0)


class Fork:
    """The child that reads a trajectory, forked instead of started: 10 ms instead of 200."""

    def __init__(self, path: Path, connection: Connection) -> None:
        self.ended: int | None = None
        self.number = os.fork()
        if self.number:
            return
        for fatal in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:  # the fuzzer has handlers
            signal.signal(fatal, signal.SIG_DFL)
        own = connection.fileno()
        os.closerange(3, own)
        os.closerange(own + 1, 256)
        try:
            hdf5_child.serve(connection, str(path))
        finally:
            os._exit(1)

    def kill(self) -> None:
        if self.ended is None:
            os.kill(self.number, signal.SIGKILL)

    def wait(self) -> int:
        if self.ended is None:
            self.ended = os.waitstatus_to_exitcode(os.waitpid(self.number, 0)[1])
        return self.ended


@dataclass(frozen=True)
class Reader:
    """A kind of file: its ending, functions that read it whole, inputs to mutate, how bytes become a file."""

    ending: str
    read: tuple[Callable[[Path], object], ...]
    seeds: Callable[[Path], list[bytes]]
    content: Callable[[bytes], bytes] = bytes


def run(reader: Reader, data: bytes, path: Path) -> None:
    """Let all functions read `data`, written to `path`. Raises what is a finding."""
    path.write_bytes(reader.content(data))
    for read in reader.read:
        try:
            with mock.patch.multiple(hdf5_apart, start=Fork, ANSWER_S=ANSWER_S):
                read(path)
        except InputError as error:
            told = str(error)
            assert told and "\n" not in told and len(told) < LONGEST_LINE, told[:200]


def seeds(reader: Reader) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return reader.seeds(Path(folder))


def read_config(path: Path) -> None:
    try:
        raw = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError):  # snakemake's own parser reads it, and tells
        return
    load_config(raw)


def read_series(series: Series) -> None:
    for name in series.quantities:
        for replica in range(series.n_replicas):
            for _ in series.chunks(name, replica):
                pass


def read_labels(path: Path) -> None:
    check_units(read_frames(path), path)


def read_trajectory(path: Path) -> None:
    with open_trajectory(path) as series:
        read_series(series)


def read_npz(path: Path) -> None:
    with open_npz(path, SAMPLING) as series:
        read_series(series)


def read_columns(path: Path) -> None:
    with open_text(path, SAMPLING) as series:
        read_series(series)


def config_seeds(folder: Path) -> list[bytes]:
    files = sorted((Path(__file__).parents[1] / "config").glob("**/*.yaml"))
    return [file.read_bytes() for file in files] + [b"molecules: [{name: a, isotopes: {0: 2, H-O: 2.0}}]\n"]


def label_seeds(folder: Path) -> list[bytes]:
    rng, frames = np.random.default_rng(0), []
    for atoms in two_molecules()[:2]:
        labels = {
            keys.ENERGY: np.array(-76.0), keys.FORCES: rng.normal(size=(len(atoms), 3)),
            keys.DIPOLE: rng.normal(size=3), keys.POLARIZABILITY: np.eye(3),
        }  # fmt: skip
        frames.append(labelled_atoms(atoms.numbers, atoms.positions, labels, {"seed": 1, "charge": 0}))
    write(folder / "all.extxyz", frames, format="extxyz")
    write(folder / "one.extxyz", [frames[0]] * 2, format="extxyz")
    water, charges = frames[0].copy(), np.arange(len(frames[0])) - 1.0
    water.info["REF_dipole"] = charges @ water.positions
    slopes = {keys.DIPOLE_DERIVATIVE: np.einsum("i,xy->ixy", charges, np.eye(3))}
    water.arrays |= labelled_atoms(water.numbers, water.positions, slopes, {}).arrays
    write(folder / "derivatives.extxyz", water, format="extxyz")
    names = "all.extxyz", "one.extxyz", "derivatives.extxyz"
    return [(folder / name).read_bytes() for name in names]


PACKED = b"""##TITLE=a
##JCAMP-DX=4.24
##DATA TYPE=INFRARED SPECTRUM
##STATE=gas
##PRESSURE=30 mmHg
##PATH LENGTH=5 cm
##XUNITS=1/CM
##YUNITS=TRANSMITTANCE
##XFACTOR=1
##YFACTOR=0.01
##FIRSTX=400
##LASTX=411
##NPOINTS=12
##XYDATA=(X++(Y..Y))
400A00JNj
403A05JJJJ
407A09JV
##END=
"""


def jcamp_seeds(folder: Path) -> list[bytes]:
    metadata = dict.fromkeys(("molecule", "dynamics", "program", "method", "corrections", "state"), "gas")
    metadata |= {"temperature_K": "300", "fwhm_cm": "10", "laser_nm": "532"}
    x = np.linspace(400.0, 430.0, 16)
    write_jcamp(folder / "a.jdx", "INFRARED SPECTRUM", "km/mol per cm-1", x, np.sin(x) ** 2, metadata)
    affn = (folder / "a.jdx").read_bytes()
    table = b"".join(b"%d, 0.5; " % k for k in range(400, 412))
    pairs = PACKED[: PACKED.index(b"##XYDATA")] + b"##XYPOINTS=(XY..XY)\n" + table + b"\n##END=\n"
    return [PACKED, affn, pairs, PACKED + affn]


def csv_seeds(folder: Path) -> list[bytes]:
    x = np.linspace(400.0, 430.0, 12)
    write_table(
        folder / "ir.csv", {"unit": "absorbance"}, ["wavenumber_cm-1", "ir"], np.stack([x, np.sin(x) ** 2], 1)
    )
    bands = Path(__file__).parents[1] / "config/molecules/ethanol/bands.csv"
    modes = bands.with_name("harmonic.csv").read_bytes().splitlines(keepends=True)[:14]
    columns = b"mu_x, mu_y, mu_z\n1,2,3\n4,5,6e-1\n"
    tensor = b"alpha_xx alpha_xy alpha_xz alpha_yy alpha_yz alpha_zz\n1 2 3 4 5 6\n1 2 3 4 5 6\n"
    plain = "".join(f"{k};{k % 5}\n" for k in range(400, 412)).encode()
    return [plain, (folder / "ir.csv").read_bytes(), bands.read_bytes(), b"".join(modes), columns, tensor]


# A trajectory is made from a recipe: a valid file, then edits that the fuzzer's bytes choose; a first byte 0
# gives the rest of the bytes as the file itself.
WHOLE = 0
NAMES = (keys.DIPOLE, keys.POLARIZABILITY, keys.HALF_STEP_VELOCITIES, keys.SPARSE_POSITIONS,
         keys.MODE_ENERGY_EXCESS)  # fmt: skip
ATTRIBUTES = ("format_version", "molecule", "dynamics", "temperature_K", "integrator_timestep_fs",
              "sample_interval_fs", "sparse_stride", "starts", "numbers", "masses_amu")  # fmt: skip
STARTS = {
    "conformers": [{"positions": [[0.0, 0, 0], [0, 0, 1.0]], "modes": [[[0.0, 0, 1], [0, 0, -1.0]]],
                    "wavenumbers_cm": [1000.0]}],
    "replicas": [0, 0],
}  # fmt: skip


class Choices:
    """Numbers drawn from bytes, one after the other; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)

    def number(self, n: int = 256) -> int:
        return int.from_bytes(self.stream.read(1) or b"\0", "big") % n

    def text(self) -> str:
        return self.stream.read(self.number()).decode("latin-1")

    def value(self) -> object:
        plain = (0, 1, 2, -1, 1e308, float("nan"), [], [1, 2], "", b"x", np.zeros((2, 2)), 10**18)
        kind = self.number(len(plain) + 2)
        return plain[kind] if kind < len(plain) else self.text() if kind == len(plain) else self.number()


def trajectory_bytes(data: bytes) -> bytes:
    if not data or data[0] == WHOLE:
        return data[1:]
    choose, buffer = Choices(data[1:]), io.BytesIO()
    with h5py.File(buffer, "w", libver="v108") as file:
        file[keys.DIPOLE] = np.ones((2, 4, 3), "f4")
        file[keys.POLARIZABILITY] = np.ones((2, 4, 3, 3), "f4")
        file[keys.HALF_STEP_VELOCITIES] = np.ones((2, 4, 2, 3), "f4")
        file[keys.MODE_ENERGY_EXCESS] = np.ones((2, 1))
        file[keys.MODE_ENERGY_EXCESS].attrs["wavenumbers_cm"] = [1000.0]
        file.attrs.update(
            {"format_version": 1, "molecule": "a", "dynamics": "classical", "temperature_K": 300.0,
             "integrator_timestep_fs": 0.5, "sample_interval_fs": 1.0, "sparse_stride": 1,
             "starts": json.dumps(STARTS), "numbers": [1, 1], "masses_amu": [1.0, 1.0]}
        )  # fmt: skip
        for _ in range(choose.number(8)):
            with suppress(ValueError, TypeError, KeyError, OSError, RuntimeError):  # no such file can be made
                _edit(file, choose)
    content = bytearray(buffer.getvalue())
    for _ in range(choose.number(4)):  # damage
        content[(choose.number() << 8 | choose.number()) % len(content)] ^= choose.number()
    return bytes(content)


def _edit(file: h5py.File, choose: Choices) -> None:
    kind, name = choose.number(8), NAMES[choose.number(len(NAMES))]
    if kind <= 1:
        attribute = ATTRIBUTES[choose.number(len(ATTRIBUTES))]
        file.attrs.pop(attribute, None)
        if kind:
            file.attrs[attribute] = choose.value()
        return
    if kind == 2:
        starts = json.dumps(STARTS)
        place = choose.number() % len(starts)
        file.attrs["starts"] = starts[:place] + choose.text() + starts[place + choose.number(9) :]
        return
    if name in file:
        del file[name]
    shape = tuple((choose.number(4), 2, 4, 10**9)[choose.number(4)] for _ in range(choose.number(5)))
    if kind == 3:
        dtype = ("f4", "f8", "i4", "S3", "bool", "c8", h5py.string_dtype(), "f2")[choose.number(8)]
        file.create_dataset(name, shape, dtype, chunks=True if choose.number(2) else None)
    elif kind == 4:
        file[name] = h5py.ExternalLink("/etc/hostname", "/a")
    elif kind == 5:
        file[name] = h5py.SoftLink(NAMES[choose.number(len(NAMES))])
    elif kind == 6:
        layout = h5py.VirtualLayout(shape, "f4")
        layout[...] = h5py.VirtualSource("/tmp/other.h5", "a", shape)
        file.create_virtual_dataset(name, layout)
    elif kind == 7:
        file.create_group(name)


def trajectory_seeds(folder: Path) -> list[bytes]:
    path = write_trajectory(folder / "toy.h5")
    with h5py.File(path) as file, h5py.File(folder / "short.h5", "w") as short:
        for name in (keys.DIPOLE, keys.POLARIZABILITY):
            short[name] = file[name][:, :20]
        short.attrs.update(file.attrs)
    recipes = [bytes([1, 1, kind, 1, 1, 2, 3, 4, 0]) for kind in range(8)]
    return [bytes([WHOLE]) + (folder / "short.h5").read_bytes(), trajectory_bytes(b"\1"), *recipes]


# A model file: after a first byte 1 the bytes are its JSON header, after 2 its pickle, else the file itself.
HEADER, PICKLE = b"\1", b"\2"


@cache
def whole_model() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_model(Path(folder) / "model.pt", n_layers=1).read_bytes()


def model_bytes(data: bytes) -> bytes:
    kind, rest, buffer = data[:1], data[1:], io.BytesIO()
    if kind == HEADER:
        state = torch.load(io.BytesIO(whole_model()), weights_only=True)["state"]
        torch.save({"header": rest.decode("utf-8", "replace"), "state": state}, buffer)
    elif kind == PICKLE:
        with zipfile.ZipFile(io.BytesIO(whole_model())) as old, zipfile.ZipFile(buffer, "w") as new:
            for name in old.namelist():
                new.writestr(name, rest if name.endswith("data.pkl") else old.read(name))
    else:
        return rest
    return buffer.getvalue()


def model_seeds(folder: Path) -> list[bytes]:
    whole = whole_model()
    header = torch.load(io.BytesIO(whole), weights_only=True)["header"].encode()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        pickle = next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
    return [HEADER + header, PICKLE + pickle, b"\0" + whole]


def npz_seeds(folder: Path) -> list[bytes]:
    np.savez(folder / "plain.npz", dipole=np.ones((2, 4, 3)), masses_amu=np.ones(2))
    np.savez_compressed(folder / "small.npz", polarizability=np.ones((4, 3, 3)))
    x, ones = np.linspace(400.0, 430.0, 4), np.ones((2, 4))
    np.savez(folder / "replicas.npz", wavenumber_cm=x, ir=ones, isotropic=ones, anisotropic=ones)
    shipped = Path(__file__).parents[1] / "config/molecules/ethanol/harmonic.npz"
    return [
        (folder / "replicas.npz").read_bytes(),
        (folder / "plain.npz").read_bytes(),
        (folder / "small.npz").read_bytes(),
        shipped.read_bytes(),
    ]


READERS = {
    "config": Reader(".yaml", (read_config,), config_seeds),
    "extxyz": Reader(".extxyz", (read_labels, labelled_geometries), label_seeds),
    "jcamp": Reader(".jdx", (partial(read_measured, kind="ir"), read_measured), jcamp_seeds),
    "csv": Reader(
        ".csv",
        (partial(read_measured, kind="ir"), partial(read_measured, kind="raman"), read_table, read_spectrum,
         read_bands, read_sticks, read_columns),
        csv_seeds,
    ),
    "trajectory": Reader(".h5", (read_trajectory,), trajectory_seeds, trajectory_bytes),
    "model": Reader(".pt", (load_model,), model_seeds, model_bytes),
    "npz": Reader(".npz", (read_npz, read_replicas, read_conformers), npz_seeds),
}  # fmt: skip
