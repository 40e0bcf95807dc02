"""The process in which HDF5 reads a file for hdf5_apart.py: one JSON answer for every JSON request.

Run as a script, by path, so that it imports nothing of the package: `python hdf5_child.py FILE DESCRIPTOR`.
The memory that HDF5 may ask for is limited, as are its cores left behind; its parent limits the time.
"""

import json
import resource
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import h5py
import numpy as np

MEMORY_BYTES = 1 << 30  # beyond what the process has when it begins
LONGEST_ANSWER = 1 << 28  # bytes: the modes of hundreds of conformers
DAMAGE = (OSError, RuntimeError, LookupError, TypeError, ValueError, MemoryError)  # as h5py tells it


def serve(connection: "Connection[Any, Any]", path: str) -> None:
    """Answer {"value": …} or {"error": reason}, until the other end is closed; floats follow as bytes."""
    _limit()
    file, opened = None, dict[str, h5py.Dataset]()  # they stay open, and with them the caches of their chunks
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        values = None
        try:
            file = file or h5py.File(path, "r")
            if "attribute" in request:
                answer = _attribute(opened.get(request["of"], file).attrs, request["attribute"])
            elif "dataset" in request:
                answer = _dataset(file, request["dataset"], opened)
            else:
                data = opened[request["read"]]
                values = data[request["replica"], request["start"] : request["stop"]]
                answer = list(values.shape)
            line = json.dumps({"value": answer}).encode()
            if len(line) > LONGEST_ANSWER:
                raise ValueError(f"an attribute of {len(line)} bytes")
        except DAMAGE as error:
            values, reason = None, (str(error) or type(error).__name__).splitlines()[0]
            line = json.dumps({"error": reason}).encode()
        connection.send_bytes(line)
        if values is not None:
            connection.send_bytes(values.tobytes())


def _limit() -> None:
    told = Path("/proc/self/statm")
    if not told.exists():  # macOS, which would not hold to it either
        return
    pages = int(told.read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _attribute(attributes: h5py.AttributeManager, name: str) -> Any:
    """Numbers as they are, (nested) lists of them, or text; what is none of these as text; None: absent."""
    if name not in attributes:
        return None
    value = attributes[name]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    array = np.asarray(value)
    if array.dtype.kind == "f":
        return array.astype(float).tolist()
    return array.tolist() if array.dtype.kind in "iub" else str(value)


def _dataset(file: h5py.File, name: str, opened: dict[str, h5py.Dataset]) -> dict[str, Any] | None:
    """What a dataset is, and how many bytes are stored; {} if its numbers lie elsewhere, None: absent."""
    link = file.get(name, getlink=True)
    if link is None:
        return None
    data = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        return {}
    opened[name] = data
    return {
        "shape": list(data.shape),
        "dtype": data.dtype.str,
        "stored_bytes": data.id.get_storage_size(),
        "chunked": data.chunks is not None,
    }


if __name__ == "__main__":
    serve(Connection(int(sys.argv[2])), sys.argv[1])
