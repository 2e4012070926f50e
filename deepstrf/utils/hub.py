"""Old home of `deepstrf.models.checkpoints`, kept until 0.3."""

from deepstrf.models.checkpoints import (
    CONFIG_FILE,
    METADATA_FILE,
    MODEL_CARD_FILE,
    WEIGHTS_FILE,
    download_pretrained,
    load_pretrained_from_dir,
    save_pretrained_to_dir,
    upload_pretrained,
)

__all__ = [
    "CONFIG_FILE",
    "METADATA_FILE",
    "MODEL_CARD_FILE",
    "WEIGHTS_FILE",
    "download_pretrained",
    "load_pretrained_from_dir",
    "save_pretrained_to_dir",
    "upload_pretrained",
]
