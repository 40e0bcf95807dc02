"""Downloads: once, whole, checked, from http and https only, also behind redirects, spectra not too large."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from painn_spectra import download
from painn_spectra.download import local_copy
from painn_spectra.errors import InputError
from painn_spectra.settings.molecule import Experiment
from painn_spectra.spectra import experiment

CONTENT = b"##TITLE=a\n" * 40


MOVED = {"/moved": "/a.jdx", "/etc": "file:///etc/hostname", "/ftp": "ftp://127.0.0.1/a", "/loop": "/loop"}
BROKEN = {
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + CONTENT[:100],
    "/chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nabc",
    "/junk": b"hello\r\n\r\n",
    "/silent": b"",
}
ASKED: list[str] = []


class Pages(BaseHTTPRequestHandler):
    """/a.jdx is a file, /moved leads there, /etc to a local file, /loop to itself; the broken are BROKEN."""

    def do_GET(self):
        ASKED.append(self.path)
        if self.path in MOVED:
            self.send_response(302)
            self.send_header("Location", MOVED[self.path])
            self.end_headers()
        elif self.path == "/a.jdx":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)
        elif self.path in BROKEN:
            self.wfile.write(BROKEN[self.path])
        else:
            self.send_error(404)

    def log_message(self, *words):
        pass


@pytest.fixture
def site():
    ASKED.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_path_is_itself(tmp_path):
    assert local_copy("data/a.jdx", tmp_path) == download.Path("data/a.jdx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("page", ["/a.jdx", "/moved"])
def test_downloaded_once_and_kept_with_its_checksum(site, page, tmp_path):
    copy = local_copy(site + page, tmp_path / "cache")
    assert copy.read_bytes() == CONTENT
    n_asked = len(ASKED)
    assert local_copy(site + page, tmp_path / "cache") == copy
    assert len(ASKED) == n_asked == (2 if page == "/moved" else 1)
    copy.write_bytes(b"something else")
    with pytest.raises(InputError, match="is not what was downloaded"):
        local_copy(site + page, tmp_path / "cache")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("/absent", "the server answers 404"),
        ("/etc", "answers 302 .* 'file:///etc/hostname' is not allowed"),
        ("/ftp", "ftp://127.0.0.1/a: only http:// and https:// addresses are fetched"),
        ("/loop", "the server answers 302"),
        ("/short", r"downloaded \(IncompleteRead\(100 bytes read, 899 more expected\)\); try again"),
        ("/chunk", r"cannot be downloaded \(IncompleteRead"),
        ("/junk", r"cannot be downloaded \(hello\)"),
        ("/silent", "cannot be downloaded"),
        ("/a b.jdx", "holds blanks"),
    ],
)
def test_what_is_not_fetched(site, page, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        local_copy(site + page, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://a/b", "http:///a", "HTTPS://"])
def test_other_schemes(address, tmp_path):
    with pytest.raises(InputError, match="only http:// and https://"):
        local_copy(address, tmp_path)


@pytest.mark.parametrize("address", ["http://a:99999/b", "http://[::1/b", "http://a:x/b"])
def test_what_is_no_address(address, tmp_path):
    with pytest.raises(InputError, match="is no address"):
        local_copy(address, tmp_path)


def test_a_spectrum_is_small_and_other_files_need_not_be(site, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "MOST_BYTES", len(CONTENT) - 1)
    with pytest.raises(InputError, match=r"larger than 0\.000399 MB, no spectrum"):
        experiment.experiment_curve(Experiment(ir=site + "/a.jdx"), "ir", tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(download, "BLOCK_BYTES", 7)
    assert local_copy(site + "/a.jdx", tmp_path).read_bytes() == CONTENT


def test_without_a_network(site, tmp_path):
    """A port that nobody listens on."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        port = server.server_port
    with pytest.raises(InputError, match=r"cannot be downloaded .* give its path"):
        local_copy(f"http://127.0.0.1:{port}/a.jdx", tmp_path)
