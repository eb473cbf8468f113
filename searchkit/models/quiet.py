"""Model libraries -> silence: their bars, warnings and advice are not for the reader of results."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Hold back what the hub's library says of its retries and fallbacks; its bars stay."""
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        hub.setLevel(level)


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the bars and warnings of the model libraries; errors still come."""
    from transformers.utils import logging as transformers

    bars, verbosity = transformers.is_progress_bar_enabled(), transformers.get_verbosity()
    ours = logging.getLogger("sentence_transformers")
    level = ours.level
    transformers.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers.set_verbosity(logging.CRITICAL)
    ours.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ours.setLevel(level)
        transformers.set_verbosity(verbosity)
        if bars:
            transformers.enable_progress_bar()  # type: ignore[no-untyped-call]
