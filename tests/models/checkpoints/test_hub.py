"""Upload to and download from a Hub, through the installed huggingface_hub and a server on loopback."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from deepstrf.models import checkpoints as hub
from deepstrf.models.audio import LinearNonlinear
from deepstrf.models.prefiltering import AdapTrans
from tests.models.checkpoints.hub_server import GOOD_TOKEN, HubServer

REPO = "lab/neuron"

# huggingface_hub 2.4 itself uses a deprecated argument of its HTTP client.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")


def forget_huggingface_hub() -> None:
    """Make the next import read the environment again: the package does so once, on import."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def hub_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HubServer, Path]]:
    """A running server that huggingface_hub takes for the Hub, and the folder it keeps its files in."""
    home = tmp_path_factory.mktemp("home")
    with HubServer() as running, pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_ENDPOINT", running.url)
        environment.setenv("HF_HOME", str(home))
        environment.setenv("HF_HUB_DISABLE_XET", "1")
        environment.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        environment.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "TRANSFORMERS_OFFLINE"):
            environment.delenv(name, raising=False)
        forget_huggingface_hub()
        yield running, home
        forget_huggingface_hub()


@pytest.fixture
def server(hub_at_home: tuple[HubServer, Path]) -> HubServer:
    """The server without a repository, and nothing downloaded yet."""
    running, home = hub_at_home
    running.repositories.clear()
    running.large_files.clear()
    running.requests.clear()
    running.full = False
    shutil.rmtree(home / "hub", ignore_errors=True)
    return running


def make_model() -> LinearNonlinear:
    return LinearNonlinear(6, 4, out_neurons=3, prefiltering=AdapTrans([0.5] * 6, [0.75] * 6, kernel_size=5)).eval()


def test_a_pushed_model_comes_back_the_same(server: HubServer) -> None:
    model = make_model()
    url = model.push_to_hub(REPO, metadata={"cc": 0.5}, token=GOOD_TOKEN, commit_message="First fit")
    sha, message, files = server.repositories[REPO].commits[-1]
    assert (url, message) == (f"{server.url}/{REPO}/commit/{sha}", "First fit")
    assert set(files) == {".gitattributes", "config.json", "model.safetensors", "metadata.json", "README.md"}
    assert not server.repositories[REPO].private

    loaded, metadata = LinearNonlinear.from_pretrained(REPO, return_metadata=True)
    x = torch.rand(2, 1, 6, 20)
    assert metadata == {"cc": 0.5}
    assert torch.equal(loaded(x), model(x))


def test_a_second_push_replaces_the_first_and_older_revisions_stay_readable(server: HubServer, tmp_path: Path) -> None:
    first, second = make_model(), make_model()
    first.push_to_hub(REPO, metadata={"cc": 0.5}, token=GOOD_TOKEN)
    old = server.repositories[REPO].commits[-1][0]
    second.push_to_hub(REPO, token=GOOD_TOKEN)
    assert "metadata.json" not in server.repositories[REPO].commits[-1][2]

    loaded, metadata = LinearNonlinear.from_pretrained(REPO, return_metadata=True, cache_dir=tmp_path / "cache")
    assert metadata is None
    assert torch.equal(loaded.STRF_weight(), second.STRF_weight())
    before = LinearNonlinear.from_pretrained(REPO, revision=old, cache_dir=tmp_path / "cache")
    assert torch.equal(before.STRF_weight(), first.STRF_weight())
    assert (tmp_path / "cache").is_dir()


def test_a_private_repository_needs_the_token(server: HubServer) -> None:
    model = make_model()
    model.push_to_hub(REPO, private=True, token=GOOD_TOKEN)
    assert server.repositories[REPO].private
    with pytest.raises(FileNotFoundError, match="'lab/neuron' is neither a local folder nor a Hub repository"):
        LinearNonlinear.from_pretrained(REPO)
    loaded = LinearNonlinear.from_pretrained(REPO, token=GOOD_TOKEN)
    assert torch.equal(loaded.STRF_weight(), model.STRF_weight())


def test_a_wrong_token_is_refused_and_nothing_is_made(server: HubServer) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    with pytest.raises(HfHubHTTPError, match="401"):
        make_model().push_to_hub(REPO, token="hf_wrong")
    assert server.repositories == {}


def test_a_full_hub_leaves_the_repository_as_it_was(server: HubServer) -> None:
    make_model().push_to_hub(REPO, token=GOOD_TOKEN)
    commits = list(server.repositories[REPO].commits)
    server.full = True
    with pytest.raises(ValueError, match="no storage left"):
        make_model().push_to_hub(REPO, token=GOOD_TOKEN)
    assert server.repositories[REPO].commits == commits


def test_only_the_files_of_a_checkpoint_travel(server: HubServer, tmp_path: Path) -> None:
    folder = make_model().save_pretrained(tmp_path / "checkpoint")
    (folder / "notes.txt").write_text("mine")
    hub.upload_pretrained(folder, REPO, token=GOOD_TOKEN)
    assert "notes.txt" not in server.repositories[REPO].commits[-1][2]
    assert server.repositories[REPO].commits[-1][1] == "Upload model"

    server.repositories[REPO].commit("more", {**server.repositories[REPO].commits[-1][2], "huge.bin": b"0"})
    downloaded = hub.download_pretrained(REPO)
    assert sorted(path.name for path in downloaded.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_an_incomplete_repository_names_the_missing_file(server: HubServer) -> None:
    make_model().push_to_hub(REPO, token=GOOD_TOKEN)
    files = dict(server.repositories[REPO].commits[-1][2])
    del files["config.json"]
    server.repositories[REPO].commit("oops", files)
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        LinearNonlinear.from_pretrained(REPO)


def test_an_unknown_revision_is_named(server: HubServer) -> None:
    from huggingface_hub.errors import RevisionNotFoundError

    make_model().push_to_hub(REPO, token=GOOD_TOKEN)
    with pytest.raises(RevisionNotFoundError, match="v9"):
        LinearNonlinear.from_pretrained(REPO, revision="v9")


def test_offline_the_last_download_is_used(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    model = make_model()
    model.push_to_hub(REPO, token=GOOD_TOKEN)
    LinearNonlinear.from_pretrained(REPO)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert torch.equal(LinearNonlinear.from_pretrained(REPO).STRF_weight(), model.STRF_weight())
    with pytest.raises(FileNotFoundError, match="'lab/other' is neither a local folder nor a Hub repository"):
        LinearNonlinear.from_pretrained("lab/other")


@pytest.mark.parametrize(
    "name",
    ["no/such/folder", "./nothing here", "/nowhere", "./typo", "../a--b", "a--b", "a/b.git", "-a", "a/.b", 300 * "x"],
)
def test_what_cannot_be_a_repository_is_not_asked_for(server: HubServer, name: str) -> None:
    with pytest.raises(FileNotFoundError, match="is neither a local folder nor a Hub repository"):
        LinearNonlinear.from_pretrained(name)
    assert server.requests == []


def test_an_incomplete_folder_is_not_uploaded(server: HubServer, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors is missing"):
        hub.upload_pretrained(tmp_path, REPO, token=GOOD_TOKEN)
    assert server.requests == []


def test_a_local_folder_wins_over_a_repository_of_that_name(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_model()
    model.save_pretrained(REPO)
    assert torch.equal(LinearNonlinear.from_pretrained(REPO).STRF_weight(), model.STRF_weight())
    assert server.requests == []
