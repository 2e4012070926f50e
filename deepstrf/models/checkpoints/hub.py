"""Checkpoint folders on their way to the Hugging Face Hub and back."""

from __future__ import annotations

import re
from pathlib import Path

from .atomic_files import valid_folder
from .folder import CHECKPOINT_FILES, CONFIG_FILE, WEIGHTS_FILE

__all__ = ["download_pretrained", "upload_pretrained"]

REPO_ID = re.compile(r"(?!.*(--|\.\.))(?!.*\.git$)(\w([\w.-]*\w)?/)?\w([\w.-]*\w)?", re.ASCII)


def upload_pretrained(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    token: str | None = None,
    commit_message: str | None = None,
) -> str:
    """URL of the commit that put a checkpoint folder on the Hugging Face Hub.

    Parameters
    ----------
    folder : str or Path
        As written by `save_pretrained_to_dir`; files of other names stay here. A checkpoint file that the repository
        has and this folder has not, such as an old metadata.json, is deleted there.
    repo_id : str
        ``"owner/name"``; made if it does not exist.
    private : bool
        Of a repository made by this call.
    token : str, optional
        Access token; None uses the one that is logged in.
    commit_message : str, optional
        None says that the model was uploaded.

    Raises
    ------
    FileNotFoundError
        config.json or model.safetensors is missing.
    huggingface_hub.errors.HfHubHTTPError
        The Hub refused.
    """
    from huggingface_hub import HfApi

    source = valid_folder(Path(folder))
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (source / name).is_file():
            raise FileNotFoundError(f"{source / name} is missing, so {source} is not a checkpoint")
    api = HfApi(token=token)
    api.create_repo(repo_id, private=private, exist_ok=True)
    commit = api.upload_folder(
        repo_id=repo_id,
        folder_path=source,
        allow_patterns=list(CHECKPOINT_FILES),
        delete_patterns=list(CHECKPOINT_FILES),
        commit_message=commit_message or "Upload model",
    )
    return commit.commit_url


def download_pretrained(
    repo_id: str,
    *,
    cache_dir: str | Path | None = None,
    revision: str | None = None,
    token: str | None = None,
) -> Path:
    """Local folder with the checkpoint files of a repository on the Hugging Face Hub.

    Parameters
    ----------
    repo_id : str
        ``"owner/name"``.
    cache_dir : str or Path, optional
        Where downloads are kept; None is the cache of huggingface_hub.
    revision : str, optional
        Branch, tag or commit; None is the main branch.
    token : str, optional
        Access token; None uses the one that is logged in, if any.

    Raises
    ------
    TypeError
        ``repo_id`` is no text.
    FileNotFoundError
        ``repo_id`` cannot be the name of a repository, or there is none that this token may read, or the Hub cannot be
        reached and the repository was not downloaded before.
    huggingface_hub.errors.HfHubHTTPError
        The Hub refused otherwise, such as for an unknown revision.
    """
    if not isinstance(repo_id, str):
        raise TypeError(f"repo_id must be a str, got {type(repo_id).__name__}")
    if REPO_ID.fullmatch(repo_id) is None:
        raise FileNotFoundError(f"{repo_id!r} is neither a local folder nor a Hub repository, owner/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        folder = snapshot_download(
            repo_id, cache_dir=cache_dir, revision=revision, token=token, allow_patterns=list(CHECKPOINT_FILES)
        )
    except (RepositoryNotFoundError, LocalEntryNotFoundError, HFValidationError) as error:
        raise FileNotFoundError(
            f"{repo_id!r} is neither a local folder nor a Hub repository that can be read. {error}"
        ) from error
    return Path(folder)
