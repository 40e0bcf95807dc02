"""HDF5 files read in a process of their own: the same numbers, and one line for whatever ends it."""

import subprocess
import sys
import time
from functools import partial

import h5py
import numpy as np
import psutil
import pytest
from fuzz_readers import Fork, read_trajectory
from toy_trajectory import ATTRIBUTES, write_trajectory

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.spectra import hdf5_apart, hdf5_child
from painn_spectra.spectra.hdf5_apart import open_apart
from painn_spectra.spectra.trajectory_file import open_trajectory


def running(code, path, connection):
    """A child of any code instead of ours; it holds its end of the pipe."""
    descriptor = connection.fileno()
    return subprocess.Popen([sys.executable, "-c", code], pass_fds=[descriptor], stderr=subprocess.DEVNULL)


def texts_beyond_the_file(path):
    """Where the text `classical` lies in the file becomes an address that no file has."""
    content = bytearray(write_trajectory(path).read_bytes())
    heap = content.index(b"GCOL")
    reference = len(b"classical").to_bytes(4, "little") + heap.to_bytes(8, "little")
    assert content.count(reference) == 1
    place = content.index(reference) + 4
    content[place : place + 8] = (2**64 - 59).to_bytes(8, "little")
    path.write_bytes(content)
    return path


def texts_without_end(path):
    """The free space behind the texts says that it is empty."""
    content = bytearray(write_trajectory(path).read_bytes())
    place = content.index(b"GCOL") + 16
    while (index := int.from_bytes(content[place : place + 2], "little")) != 0:
        assert index < 100
        place += 16 + -(-int.from_bytes(content[place + 8 : place + 16], "little") // 8) * 8
    content[place + 8 : place + 16] = bytes(8)
    path.write_bytes(content)
    return path


def test_numbers_that_lie_in_another_file_are_refused(tmp_path):
    """External storage would read any file of the user as numbers."""
    (tmp_path / "secret").write_bytes(bytes(80))
    path = write_trajectory(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        shape, dtype = file[keys.DIPOLE].shape, file[keys.DIPOLE].dtype
        del file[keys.DIPOLE]
        outside = [(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset(keys.DIPOLE, shape, dtype, external=outside)
    with pytest.raises(InputError, match="points to other data"), open_trajectory(path):
        pass


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
@pytest.mark.parametrize("options", [{}, {"chunks": (1, 7, 3), "compression": "gzip", "fletcher32": True}])
def test_numbers_are_those_of_h5py(tmp_path, dtype, options):
    values = np.random.default_rng(0).normal(size=(2, 50, 3)).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=values, **options)
        file["a"].attrs["one"] = np.arange(3)
        file.attrs.update({"x": 0.1, "n": np.int64(3), "text": "é\n", "bytes": b"b", "none": []})
    with open_apart(tmp_path / "a.h5") as file:
        told = file.dataset("a")
        assert (told.shape, told.dtype, told.chunked) == (values.shape, np.dtype(dtype), bool(options))
        assert file.read("a", told.dtype, 1, 5, 47).tobytes() == values[1, 5:47].tobytes()
        assert file.attribute("one", of="a") == [0, 1, 2] and file.attribute("x") == 0.1
        assert [file.attribute(name) for name in ("n", "text", "bytes", "none")] == [3, "é\n", "b", []]
        assert file.attribute("absent") is None and file.dataset("absent") is None


def test_the_child_ends_with_the_reading_and_is_small(tmp_path):
    path = write_trajectory(tmp_path / "a.h5")
    others = set(psutil.Process().children())
    with open_trajectory(path):
        (child,) = set(psutil.Process().children()) - others
        mapped = {part.path for part in child.memory_maps()}
        assert not any("/torch/" in part or "/scipy/" in part for part in mapped)
    assert not child.is_running()


def test_a_crash_of_the_library_is_one_line(tmp_path):
    """Seen with HDF5 2.0: a segmentation fault."""
    path = texts_beyond_the_file(tmp_path / "a.h5")
    with pytest.raises(InputError, match="is damaged"):
        read_trajectory(path)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_signal_is_told(tmp_path, monkeypatch, name):
    code = f"import os, signal; os.kill(os.getpid(), signal.{name})"
    monkeypatch.setattr(hdf5_apart, "start", partial(running, code))
    with pytest.raises(InputError, match=f"a.h5: is damaged .HDF5 ended with {name}"):
        read_trajectory(write_trajectory(tmp_path / "a.h5"))


def test_a_fault_of_ours_is_not_called_damage(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_apart, "start", partial(running, "1 / 0"))
    with pytest.raises(RuntimeError, match="ended with 1"):
        read_trajectory(write_trajectory(tmp_path / "a.h5"))


def test_a_reading_without_end_is_ended(tmp_path, monkeypatch):
    path = texts_without_end(tmp_path / "a.h5")
    monkeypatch.setattr(hdf5_apart, "ANSWER_S", 3.0)
    with pytest.raises(InputError, match="is damaged"):  # seen with HDF5 1.14 and 2.0: for ever
        read_trajectory(path)
    monkeypatch.setattr(hdf5_apart, "start", partial(running, "import time; time.sleep(100)"))
    began, others = time.monotonic(), psutil.Process().children()
    with pytest.raises(InputError, match="did not answer within 3 s"):
        read_trajectory(path)
    assert time.monotonic() - began < 50 and psutil.Process().children() == others


def test_memory_is_limited(tmp_path, monkeypatch):
    """A compressed chunk of 256 MB, read whole for one number of it."""
    monkeypatch.setattr(hdf5_apart, "start", Fork)
    shape = (1, 1 << 26)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", shape, "f4", chunks=shape, compression=1)[0, 0] = 1.0
    for megabytes, enough in ((600, True), (100, False)):
        monkeypatch.setattr(hdf5_child, "MEMORY_BYTES", megabytes << 20)
        with open_apart(tmp_path / "a.h5") as file:
            dtype = file.dataset("a").dtype
            if enough:
                assert file.read("a", dtype, 0, 0, 1) == [1.0]
            else:
                with pytest.raises(InputError, match="is damaged"):
                    file.read("a", dtype, 0, 0, 1)


def test_damage_in_the_middle_is_told_when_it_is_read(tmp_path):
    path = tmp_path / "a.h5"
    values = np.random.default_rng(0).normal(size=(2, 100, 12)).astype("f4")
    with h5py.File(path, "w") as file:
        file.create_dataset(keys.DIPOLE, data=values[..., :3], chunks=(1, 10, 3), fletcher32=True)
        file[keys.POLARIZABILITY] = values[..., 3:].reshape(2, 100, 3, 3)
        file.attrs.update(ATTRIBUTES)
    read_trajectory(path)
    content = bytearray(path.read_bytes())
    place = content.index(values[1, 55, :3].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        read_trajectory(path)
