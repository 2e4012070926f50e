"""Public recordings, fetched from a server on this machine that also cuts, changes and lies."""

import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from deepstrf.datasets import Recording, fetch
from tests.datasets.test_crcns import write as write_crcns
from tests.datasets.test_nems import EPOCHS, RESP, packed
from tests.datasets.test_nems import write as write_nems

pytest.importorskip("pooch")


class Server:
    """Serves bytes by name; ``cut`` is after how many bytes it hangs up, in turn; ``ranges`` whether it can resume."""

    def __init__(self):
        self.files, self.requests, self.cut, self.ranges, self.etag, self.status = {}, [], [], True, True, 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.requests.append(dict(self.headers))
                data = outer.files.get(self.path.strip("/"))
                if data is None or outer.status != 200:
                    self.send_error(404 if data is None else outer.status)
                    return
                etag = f'"{hashlib.md5(data).hexdigest()}"'
                start = 0
                wanted = self.headers.get("Range")
                if wanted and outer.ranges and self.headers.get("If-Range") in (None, etag):
                    start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start and start >= len(data):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                if outer.etag:
                    self.send_header("ETag", etag)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                end = start + outer.cut.pop(0) if outer.cut else len(data)
                self.wfile.write(data[start:end])
                if end < len(data):
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server():
    one = Server()
    yield one
    one.close()


@pytest.fixture
def archive(tmp_path):
    """Archive of a NEMS recording."""
    return packed(write_nems(tmp_path / "site")).read_bytes()


@pytest.fixture
def get(server, archive, tmp_path, monkeypatch):
    """Function that fetches the set "nat" of a catalogue whose entry has these values."""
    monkeypatch.setenv("DEEPSTRF_DATA", str(tmp_path / "data"))
    server.files["A1.tgz"] = archive

    def fetched(options=None, name="nat", **entry):
        entry = {
            "title": "Sounds", "state": "untried", "licence": "CC-BY-4.0", "citation": "A & B (2023)",
            "redistribution": True, "file": "A1.tgz", "address": f"{server.url}/A1.tgz", "reader": "read_nems",
            "splits": {"validation": "STIM_00*"},
        } | entry  # fmt: skip
        (tmp_path / "catalogue.json").write_text(json.dumps({"sets": {"nat": entry}}))
        return fetch(name, catalogue=tmp_path / "catalogue.json", progress=False, **(options or {}))

    return fetched


def test_one_line_gives_the_recording_and_the_licence_is_shown_once(get, server, tmp_path, capsys):
    found = get()
    assert isinstance(found, Recording)
    assert np.allclose(found[0][1][:, 0], RESP[0:20].T)
    assert (found.source.name, found.select(neurons=[0]).source.licence) == ("nat", "CC-BY-4.0")
    assert Recording.load(found.save(tmp_path / "a")).source == found.source
    assert capsys.readouterr().out == "nat: Sounds. Licence: CC-BY-4.0. Please cite A & B (2023).\n"
    again = get({"split": "validation", "units": [1]})
    assert (again.stimulus_names, len(again.neuron_names)) == (("STIM_00cat1",), 1)
    assert capsys.readouterr().out == ""
    assert len(server.requests) == 1  # what is there is not fetched again
    assert sorted(one.name for one in (tmp_path / "data" / "nat").iterdir()) == [
        "A1.tgz",
        "A1.tgz.lock",
        "fetched.json",
    ]


def test_a_download_that_is_cut_goes_on_where_it_ended(get, server, archive, tmp_path):
    n = len(archive)
    server.cut = [n // 3, n // 3]
    assert len(get()) == 3  # two more tries in the same call
    starts = [one.get("Range") for one in server.requests]
    assert starts == [None, f"bytes={n // 3}-", f"bytes={2 * (n // 3)}-"]
    assert (tmp_path / "data/nat/A1.tgz").read_bytes() == archive


def test_a_download_that_is_cut_for_good_keeps_what_it_has(get, server, archive, tmp_path):
    n = len(archive)
    server.cut = [n // 5] * 3
    with pytest.raises(
        ConnectionError, match=r"MB, which are kept: call again to go on, or put the file there by hand"
    ):
        get()
    part = tmp_path / "data/nat/A1.tgz.part"
    assert part.read_bytes() == archive[: 3 * (n // 5)]
    assert len(get()) == 3
    assert server.requests[-1]["Range"] == f"bytes={3 * (n // 5)}-"
    assert not part.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes")
def test_a_full_disk_is_not_called_a_network(get, server, tmp_path):
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match=r"while http.* was fetched: make room") as raised:
            get()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not isinstance(raised.value, ConnectionError)
    assert raised.value.filename.endswith(".part")
    assert len(get()) > 0  # goes on when there is room


@pytest.mark.parametrize("change", ["file", "no ranges", "no etag"])
def test_a_part_is_not_joined_with_another_file(change, get, server, archive, tmp_path):
    server.etag = change != "no etag"
    server.cut = [300] * 3 if change != "no etag" else [300, 200, 100]
    with pytest.raises(ConnectionError):
        get()
    server.cut = []
    if change == "file":
        archive = server.files["A1.tgz"] = packed(write_nems(tmp_path / "other", resp=RESP + 1)).read_bytes()
    server.ranges = change != "no ranges"
    get()
    assert (tmp_path / "data/nat/A1.tgz").read_bytes() == archive


def test_a_checksum_is_recorded_at_first_and_compared_afterwards(get, server, archive, tmp_path):
    get()
    file = tmp_path / "data/nat/A1.tgz"
    file.write_bytes(archive[:-5] + b"12345")  # damaged on the disk: fetched again
    get()
    assert file.read_bytes() == archive
    file.unlink()
    server.files["A1.tgz"] = packed(write_nems(tmp_path / "other", resp=RESP + 1)).read_bytes()
    with pytest.raises(ValueError, match=r"another file than the one that was recorded, sha256:\w+: it was changed at"):
        get()
    assert not file.exists()


def test_a_checksum_of_the_catalogue_counts_at_once(get, archive):
    right = hashlib.md5(archive).hexdigest()
    with pytest.raises(ValueError, match="another file than the one that was recorded, md5:0000"):
        get(checksum="md5:" + "0" * 32)
    assert len(get(checksum=f"md5:{right}")) == 3


@pytest.mark.parametrize(
    ("data", "entry", "message"),
    [
        (b"<html>Please log in</html>", {}, r"gives a file that is no archive \(it begins with b'<html>Please log in"),
        (b"", {}, "gives a file that is no archive"),
        (None, {"megabytes": 108}, "MB where about 108 MB are expected: it was not kept"),
    ],
)
def test_what_is_not_the_file_is_neither_kept_nor_recorded(data, entry, message, get, server, archive, tmp_path):
    if data is not None:
        server.files["A1.tgz"] = data
    with pytest.raises(ValueError, match=message):
        get(**entry)
    assert [one.name for one in (tmp_path / "data/nat").iterdir() if one.suffix == ".tgz"] == []
    server.files["A1.tgz"] = archive
    assert len(get()) == 3


def test_no_network_and_no_such_page(get, server, tmp_path):
    with pytest.raises(
        ConnectionError, match=r"answers 404 .*: is the address right\? or put the file there by hand: .*A1"
    ):
        get(address=f"{server.url}/B.tgz")
    with pytest.raises(ConnectionError, match=r"could not be fetched \(ConnectionError\): is there a network\?"):
        get(address="http://127.0.0.1:9/A1.tgz")
    get()
    assert len(get(address="http://127.0.0.1:9/A1.tgz")) == 3  # it is there: no network is needed


def test_sets_without_an_address_say_how_to_get_them(get, tmp_path, capsys):
    about = {"address": None, "file": None, "state": "own account", "reader": "read_crcns_aa", "redistribution": False}
    about |= {"licence": "CRCNS terms", "note": "A free account gives the files.", "options": {"max_hz": 8000.0}}
    with pytest.raises(
        FileNotFoundError, match=r"cannot be fetched \(own account\): A free account .* into .*data.nat;"
    ):
        get(**about)
    write_crcns(tmp_path / "data/nat")
    with pytest.warns(UserWarning, match="lie after the end of their sounds"):
        found = get(**about)
    assert found.neuron_names == ("gg0116_1_A", "pupi_2")
    assert "must not be passed on" in capsys.readouterr().out


def test_an_archive_that_was_put_there_by_hand_is_read(get, archive, tmp_path):
    (tmp_path / "data/nat").mkdir(parents=True)
    (tmp_path / "data/nat/any.tgz").write_bytes(archive)
    assert len(get(address=None, file=None, state="address unknown")) == 3


def test_names_splits_and_catalogues_are_checked(get, tmp_path):
    get()
    for options, message in (
        ({"name": "nat2"}, r"name must be one of \['nat'\], got 'nat2': did you mean 'nat'\?"),
        ({"options": {"split": "test"}}, r"split must be one of \['validation'\] for 'nat', got 'test'"),
        ({"options": {"split": "validation", "sounds": [0]}}, "sounds must not be given with split"),
        ({"reader": "read_all"}, "reader of 'nat' must be one of .* got 'read_all'"),
        ({"state": "fine"}, "state of 'nat' must be one of"),
        ({"licnece": "x"}, "'nat' has the unknown key 'licnece': did you mean 'licence'?"),
        ({"file": "../../x.tgz"}, "must not lead to other folders"),
    ):
        with pytest.raises(ValueError, match=message):
            get(**options)
    (tmp_path / "catalogue.json").write_text("[]")
    with pytest.raises(ValueError, match=r"catalogue\.json is no catalogue"):
        fetch(catalogue=tmp_path / "catalogue.json")
    with pytest.raises(FileNotFoundError, match="there is no catalogue"):
        fetch(catalogue=tmp_path / "none.json")


def test_without_a_name_the_table_is_given():
    table = fetch()
    assert {"nat4-a1", "nat4-peg", "espejo2019-nat", "wingert2026", "le2025", "crcns-aa1", "crcns-aa2"} <= set(
        table.index
    )
    assert set(table["state"]) <= {"untried", "address unknown", "own account"}  # nobody has fetched any with this code
    assert table.loc["nat4-peg", "units"] == 398
    with pytest.raises(ValueError, match="without it only the table is given"):
        fetch(split="validation")


def test_the_epochs_of_the_layout_are_those_of_the_test_of_its_reader():
    assert [name for name, _, _ in EPOCHS if name.startswith("STIM_00")] == ["STIM_00cat1"]
