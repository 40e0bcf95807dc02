"""Files by path or address: a download is kept with its checksum, and read from there without a network."""

import hashlib
import http.client
import math
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from painn_spectra import __version__
from painn_spectra.errors import InputError, first_line
from painn_spectra.files import content_hash, read_object, write_bytes, write_json

CACHE = Path("results/.experiment")
SCHEMES = ("http", "https")
BLOCK_BYTES = 1_000_000
TIMEOUT_S = 30.0


def is_address(source: str) -> bool:
    """Whether `source` is an address rather than a path."""
    return "://" in source


def check_address(source: str) -> None:
    """Raise InputError for addresses that are not fetched: other schemes than http and https."""
    try:
        parts = urlsplit(source)
        known = parts.scheme.lower() in SCHEMES and parts.hostname and parts.port != 0  # reading it checks it
    except ValueError as error:  # of the port, or of an IPv6 host
        raise InputError(f"{source}: is no address ({error}); correct it, or give a path") from None
    if not known:
        raise InputError(f"{source}: only http:// and https:// addresses are fetched; give one, or a path")
    if not re.fullmatch("[!-~]+", source):
        raise InputError(f"{source}: holds blanks or letters that addresses have not; write %-codes")


def local_copy(source: str, cache: Path = CACHE, most_bytes: float = math.inf) -> Path:
    """The file itself, or the copy in `cache` of an address, downloaded at the first call.

    Beside it stand address, size and SHA-256. Raises InputError when it cannot be had whole, is larger than
    `most_bytes`, or when the copy is no longer what was downloaded.
    """
    if not is_address(source):
        return Path(source)
    check_address(source)
    name = hashlib.sha256(source.encode()).hexdigest()[:16] + Path(urlsplit(source).path).suffix.lower()
    copy, record = cache / name, cache / f"{name}.json"
    if copy.is_file() and record.is_file():
        if content_hash(copy) != read_object(record, "sha256")["sha256"]:
            raise InputError(
                f"{copy}: is not what was downloaded from {source}; remove it, it is then fetched again"
            )
        return copy
    content = _fetch(source, most_bytes)
    write_bytes(copy, content)
    found = {"address": source, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_json(record, found)
    print(f"{source}: {len(content)} bytes in {copy}, SHA-256 {found['sha256']}")
    return copy


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the address itself would have been fetched."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(source: str, most_bytes: float) -> bytes:
    opener = urllib.request.build_opener(_SafeRedirects)
    request = urllib.request.Request(source, headers={"User-Agent": f"painn-spectra/{__version__}"})
    content = bytearray()
    try:
        with opener.open(request, timeout=TIMEOUT_S) as stream:
            while len(content) <= most_bytes and (block := stream.read(BLOCK_BYTES)):
                content += block
            if len(content) <= most_bytes and stream.length:  # read in parts, a cut file ends without a word
                raise http.client.IncompleteRead(bytes(content), stream.length)
    except urllib.error.HTTPError as error:
        answer = str(error.reason).splitlines()[0] if error.reason else ""
        raise InputError(f"{source}: the server answers {error.code} {answer}; check the address") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or first_line(error)
        raise InputError(
            f"{source}: cannot be downloaded ({reason}); try again, or get it elsewhere and give its path"
        ) from None
    if len(content) > most_bytes:
        raise InputError(f"{source}: larger than {most_bytes / 1e6:g} MB, no spectrum; check the address")
    return bytes(content)
