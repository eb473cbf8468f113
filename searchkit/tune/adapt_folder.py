"""The folder of an adaptation: claimed by one call, gone on with by the same, and finished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from searchkit.errors import ConfigError
from searchkit.index import disk
from searchkit.tune.adapt_report import MEASURED, AdaptReport


@dataclass(frozen=True, slots=True)
class AdaptFolder:
    """Where models, data and the report lie."""

    path: Path

    @property
    def held_out(self) -> Path:
        """The small index that is measured; it goes when all is done."""
        return self.path / "held-out"

    @property
    def _settings(self) -> Path:
        return self.path / "data" / "settings.json"

    @property
    def _report(self) -> Path:
        return self.path / "adapt.json"

    def claim(self, settings: Mapping[str, Any], *, resume: bool) -> None:
        """Take an empty folder, or find it as a call with the same settings left it.

        ConfigError where it is neither.
        """
        said = json.loads(json.dumps(settings, default=str))
        if not resume:
            self._refuse_taken()
            with disk.storage_errors(self.path):
                self._settings.parent.mkdir(parents=True, exist_ok=True)
                disk.replace(self._settings, json.dumps(said, indent=1).encode())
            return
        try:
            before = json.loads(self._settings.read_text("utf-8"))
        except (OSError, ValueError):
            why = "there is no run to go on with. Leave --resume out."
            raise ConfigError(f"{self.path}: {why}") from None
        if differs := sorted(key for key in said if before.get(key) != said[key]):
            raise ConfigError(
                f"{self.path}: its run is another one: {', '.join(differs)} changed. Resume with "
                "the same index and settings, or choose another --out."
            )

    def report(self) -> AdaptReport | None:
        """What a finished run found; None where it is not finished."""
        with suppress(OSError, ValueError, LookupError, TypeError):
            return AdaptReport.from_dict(json.loads(self._report.read_text("utf-8")))
        return None

    def finish(self, report: AdaptReport) -> None:
        content = json.dumps({**asdict(report), "measured": MEASURED}, indent=1, ensure_ascii=False)
        with disk.storage_errors(self.path):
            disk.replace(self._report, content.encode())
        disk.remove(self.held_out)

    def _refuse_taken(self) -> None:
        taken = self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))
        if taken:
            raise ConfigError(
                f"{self.path}: this folder is not empty. Go on with --resume, or choose another "
                "--out."
            )
