"""Trained models on disk and on the Hugging Face Hub: folders that are written whole or not at all."""

from .folder import (
    CONFIG_FILE,
    METADATA_FILE,
    MODEL_CARD_FILE,
    WEIGHTS_FILE,
    built_anew,
    load_pretrained_from_dir,
    save_pretrained_to_dir,
)
from .hub import download_pretrained, upload_pretrained

__all__ = [
    "CONFIG_FILE",
    "METADATA_FILE",
    "MODEL_CARD_FILE",
    "WEIGHTS_FILE",
    "built_anew",
    "download_pretrained",
    "load_pretrained_from_dir",
    "save_pretrained_to_dir",
    "upload_pretrained",
]
