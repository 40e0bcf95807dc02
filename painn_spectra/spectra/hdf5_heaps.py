"""Damage of an HDF5 file that would send the HDF5 library into an endless loop, found before it reads.

Texts of any length lie in global heaps: collections of objects one after the other, each with its size. The
library goes on by that size, and stands still where damage made it 0 (seen with HDF5 1.14). Layout: HDF5 File
Format Specification 3.0, III.E "Global Heap".
"""

import mmap
import struct
from pathlib import Path

SIGNATURE = b"GCOL\x01\0\0\0"  # with its version and reserved bytes
HEAD, OBJECT = struct.Struct("<8sQ"), struct.Struct("<HHIQ")  # size; index, references, reserved, size
FREE = 0  # index of the object that stands for what is left; its size counts its head
ALIGNED = 8  # bytes


def endless_heap(path: Path) -> int | None:
    """Where in the file a heap begins whose objects do not lead to its end; None: no heap is like that."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(SIGNATURE)
        while start >= 0:
            if start + HEAD.size <= len(data) and not _ends(data, start):
                return start
            start = data.find(SIGNATURE, start + 1)
    return None


def _ends(data: mmap.mmap, start: int) -> bool:
    end = min(start + HEAD.unpack_from(data, start)[1], len(data))
    place = start + HEAD.size
    while place + OBJECT.size <= end:
        index, _, _, size = OBJECT.unpack_from(data, place)
        step = size if index == FREE else OBJECT.size + -(-size // ALIGNED) * ALIGNED
        if not step:
            return False
        place += step
    return True
