"""What a generation remembers of an encoder -> the same encoder, loaded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from searchkit.errors import ModelMismatch
from searchkit.models.device import Device
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.protocols import Encoder


def open_recorded(
    index: Path,
    record: Mapping[str, Any],
    *,
    device: Device = "auto",
    trust_remote_code: bool = False,
) -> Encoder:
    """The encoder that made the vectors of an index.

    ModelMismatch where the one of that name is another by now.
    """
    stored = EncoderOptions.from_dict(record["options"])
    options = replace(stored, device=device, trust_remote_code=trust_remote_code)
    encoder = open_encoder(record["name"], options=options)
    if encoder.fingerprint != record["fingerprint"]:
        raise ModelMismatch(
            f"{index} was built with another {record['name']}: its weights, tokenizer or "
            f"settings have changed. Build the index again, or bring the old model back."
        )
    return encoder
