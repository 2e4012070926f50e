"""Checkpoint folders: their format, their safe writing, and the way to the Hugging Face Hub and back."""
