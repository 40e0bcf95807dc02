"""Files by path or address: a download is kept with its checksum, and read from there without a network."""

import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from painn_spectra import __version__
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, content_hash, write_json

CACHE = Path("results/.experiment")
SCHEMES = ("http", "https")
MAX_BYTES = 20_000_000
TIMEOUT_S = 30.0


def is_address(source: str) -> bool:
    """Whether `source` is an address rather than a path."""
    return "://" in source


def check_address(source: str) -> None:
    """Raise InputError for addresses that are not fetched: other schemes than http and https."""
    parts = urlsplit(source)
    if parts.scheme.lower() not in SCHEMES or not parts.hostname:
        raise InputError(f"{source}: only http:// and https:// addresses are fetched; give one, or a path")


def local_copy(source: str, cache: Path = CACHE) -> Path:
    """The file itself, or the copy in `cache` of an address, downloaded at the first call.

    Beside it stand address, size and SHA-256. Raises InputError when it cannot be had, is too large, or when
    the copy is no longer what was downloaded.
    """
    if not is_address(source):
        return Path(source)
    check_address(source)
    name = hashlib.sha256(source.encode()).hexdigest()[:16] + Path(urlsplit(source).path).suffix.lower()
    copy, record = cache / name, cache / f"{name}.json"
    if copy.is_file() and record.is_file():
        if content_hash(copy) != json.loads(record.read_text(encoding="utf-8"))["sha256"]:
            raise InputError(
                f"{copy}: is not what was downloaded from {source}; remove it, it is then fetched again"
            )
        return copy
    content = _fetch(source)
    with atomic_path(copy) as temporary:
        temporary.write_bytes(content)
    found = {"address": source, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_json(record, found)
    print(f"{source}: {len(content)} bytes in {copy}, SHA-256 {found['sha256']}")
    return copy


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the address itself would have been fetched."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(source: str) -> bytes:
    opener = urllib.request.build_opener(_SafeRedirects)
    request = urllib.request.Request(source, headers={"User-Agent": f"painn-spectra/{__version__}"})
    try:
        with opener.open(request, timeout=TIMEOUT_S) as stream:
            content: bytes = stream.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        answer = str(error.reason).splitlines()[0] if error.reason else ""
        raise InputError(f"{source}: the server answers {error.code} {answer}; check the address") from None
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise InputError(
            f"{source}: cannot be downloaded ({reason}); without a network get it elsewhere and give its path"
        ) from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{source}: larger than {MAX_BYTES // 1_000_000} MB, no spectrum; check the address")
    return content
