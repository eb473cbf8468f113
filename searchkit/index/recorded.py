"""What a generation remembers of an encoder -> the same encoder, loaded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from searchkit.errors import ModelMismatch
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.vectors import VectorConfig
from searchkit.models.device import Device
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.models.served import Backend
from searchkit.protocols import Encoder


def open_recorded(
    index: Path,
    record: Mapping[str, Any],
    *,
    device: Device = "auto",
    trust_remote_code: bool = False,
    backend: Backend = "torch",
) -> Encoder:
    """The encoder of a generation's record; ModelMismatch where it has changed since."""
    stored = EncoderOptions.from_dict(record["options"])
    options = replace(stored, device=device, trust_remote_code=trust_remote_code)
    encoder = open_encoder(record["name"], options=options, backend=backend)
    if encoder.fingerprint != record["fingerprint"]:
        raise ModelMismatch(
            f"{index} was built with another {record['name']}: its weights, tokenizer or settings "
            f"have changed. Bring the old model back, or drop its vectors: searchkit encoder drop "
            f"{index} {record['name']}"
        )
    return encoder


def recorded_choice(encoder: Encoder, record: Mapping[str, Any]) -> DenseChoice:
    """The encoder with how its vectors are made and stored, as its record says."""
    config = VectorConfig(passages=record["passages"], dtype=record["dtype"])
    return DenseChoice(encoder, config, record["options"])
