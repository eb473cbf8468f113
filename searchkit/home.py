"""Where searchkit keeps what it learned on this machine; all of it may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Folder of what searchkit remembers between runs; SEARCHKIT_HOME moves it."""
    named = os.environ.get("SEARCHKIT_HOME")
    return Path(named) if named else Path.home() / ".cache" / "searchkit"
