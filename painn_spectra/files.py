"""Files that are whole or absent: temporary name, then rename; one worker per output."""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import shutil
import socket
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from painn_spectra.errors import InputError, first_line

DAMAGE = (  # what reading a damaged .npz archive raises
    ValueError, OSError, EOFError, RuntimeError, MemoryError, SyntaxError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
listeners: list[list[Path]] = []  # each is told what this process writes (provenance.py)


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling with the same ending; rename it to `path`, or remove it on failure.

    A symbolic link stays, and the file that it names is written. Leftovers of writers of this machine that
    were killed are removed. An OSError that names no file, as of a full disk, gets the name of `path`.
    """
    check_outputs(path)
    target = Path(path).resolve()
    _remove_abandoned(target)
    temporary = target.with_name(f".{os.getpid()}.{socket.gethostname()}.{target.name}")
    try:
        yield temporary
        temporary.replace(target)
        for listener in listeners:
            listener.append(Path(path))
    except OSError as error:
        if error.filename in (None, str(temporary)):  # nobody knows the temporary name
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_outputs(*paths: Path | str) -> None:
    """Raise, before hours of work, where these files could not be written, or would replace what is none.

    A rename puts a file even in the place of a device.
    """
    targets = [Path(path).resolve() for path in paths]
    for path, target in zip(paths, targets, strict=True):
        if targets.count(target) > 1:
            raise InputError(f"{path}: is named for two outputs; give each a file of its own")
        if target.exists() and not target.is_file():
            raise InputError(f"{path}: is a folder, pipe or device, which no output replaces; name a file")
        target.parent.mkdir(parents=True, exist_ok=True)


def _remove_abandoned(target: Path) -> None:
    ending = f".{socket.gethostname()}.{target.name}"
    for leftover in target.parent.glob(f".[0-9]*{glob.escape(ending)}"):
        number = leftover.name.removesuffix(ending).removeprefix(".")
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            leftover.unlink(missing_ok=True)
        except (ValueError, PermissionError):  # of another file; a living process of somebody else's
            pass


def write_bytes(path: Path | str, content: bytes | memoryview) -> None:
    """Write what a library has made in memory: HDF5 and torch crash, or do not say why, on a full disk."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def check_space(path: Path | str, n_bytes: int) -> None:
    """Raise OSError where `n_bytes` more do not fit beside `path`: for what is too large for memory."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    reserved = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        with reserved.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, n_bytes))
    except OSError as error:
        error.filename = str(target)
        raise
    finally:
        reserved.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` (UTF-8) so that a reader sees the old file or the whole new one."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: object) -> None:
    """Write `value` as indented JSON; NaN is refused, JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def content_hash(path: Path | str) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(path: Path | str) -> str:
    """What changes with a file's content, or, as a folder may be large, with names and sizes in it."""
    if not Path(path).is_dir():
        return content_hash(path)
    listed = sorted((item.name, item.stat(follow_symlinks=False).st_size) for item in os.scandir(path))
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def read_object(path: Path, *needed: str) -> dict[str, Any]:
    """The JSON object in a file that this program wrote; {} for no file, unless keys are `needed`.

    Raises InputError where it is damaged or lacks one of them.
    """
    if not needed and not path.is_file():
        return {}
    try:
        content = dict(json.loads(path.read_text(encoding="utf-8")))
        missing = [name for name in needed if name not in content]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: is no JSON of this program ({first_line(error)}); remove it and run snakemake again"
        ) from None
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)}; remove it and run snakemake again")
    return content


def open_parts(parts: Path, key: Any) -> None:
    """Keep the folder of an interrupted run of the same `key` (JSON-able); empty that of another."""
    key_file = parts / "key.json"
    try:
        if json.loads(key_file.read_text(encoding="utf-8")) == key:
            return
    except (OSError, ValueError):
        pass
    shutil.rmtree(parts, ignore_errors=True)
    write_json(key_file, key)


@contextlib.contextmanager
def output_lock(path: Path | str, wait: bool = False) -> Iterator[None]:
    """Hold `<path>.lock` while a stage writes `path`: an orphaned worker and its rerun must not both write.

    The system lets go of it when its holder ends, however that ends: a file left behind locks nothing.
    wait: until it is free. Else raises InputError naming the process, and its machine, that holds the lock.
    """
    lock = Path(f"{path}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise InputError(f"{path}: being written by process {holder}; wait for it or stop it") from None
        except OSError as error:  # a file system without locks
            raise InputError(
                f"{lock}: cannot be locked ({error.strerror}); keep results on a file system with flock, as "
                "nearly all are (NFS: version 4, or mounted without nolock)"
            ) from None
        stream.truncate(0)
        stream.write(f"{os.getpid()} on {socket.gethostname()}")
        stream.flush()
        target = Path(path)
        for leftover in target.parent.glob(f".[0-9]*.{target.name}"):  # of a writer killed half-way
            leftover.unlink()
        yield
