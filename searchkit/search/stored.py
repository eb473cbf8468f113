"""The encoders of an index, opened as they were when it was built, with how they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from searchkit.index.dense_parts import DenseChoice
from searchkit.index.recorded import open_recorded, recorded_choice
from searchkit.models.device import Device


def stored_choice(
    index: Path, record: dict[str, Any], *, device: Device = "auto", trust_remote_code: bool = False
) -> DenseChoice:
    """The encoder of a generation's record, ready to encode more documents for its index."""
    encoder = open_recorded(index, record, device=device, trust_remote_code=trust_remote_code)
    return recorded_choice(encoder, record)
