"""A model folder of unknown make, given to its library -> a loaded model or a ModelError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from searchkit.errors import ModelError
from searchkit.models.quiet import quiet


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Load in silence; ModelError where it fails."""
    with quiet():
        from safetensors import SafetensorError

        try:
            yield
        # A foreign folder can fail in any of these ways: missing files, other shapes, other code.
        except (
            *(OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError),
            *(ImportError, SafetensorError),
        ) as error:
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            if "trust_remote_code" in str(error):
                cure = "Read that code, and allow it with --trust-remote-code if you trust it."
            else:
                cure = "Give a folder that sentence-transformers can load."
            raise ModelError(f"{name} cannot be loaded ({why}). {cure}") from error
