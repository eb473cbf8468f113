"""Every error a user can cause or cure, and the door to optional packages.

* SearchkitError
  x ConfigError         a setting is unknown or out of range
  x CorpusError         an input file breaks its format
  x QueryError          a filter or a document id names what is not there
  x FormatError         an index or model folder cannot be read by this version
  x DamagedIndex        a file of an index is missing or is not what was written
  x ModelError          a model cannot be loaded, or does not keep its contract
  x ModelMismatch       index and encoder do not belong together
  x StorageError        the disk refuses: full, read-only, no permission, locked
  x MissingExtra        an optional package is absent (also an ImportError)

Every message says what, where and the cure, in one sentence or two.
Mistakes of the programmer stay ValueError and TypeError.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType


class SearchkitError(Exception):
    """Base of all errors the command line turns into one line and exit status 1."""


class ConfigError(SearchkitError): ...


class CorpusError(SearchkitError):
    def __init__(self, where: str | Path, line: int | None, why: str) -> None:
        super().__init__(f"{where}: {why}" if line is None else f"{where}:{line}: {why}")
        self.where, self.line, self.why = str(where), line, why


class QueryError(SearchkitError): ...


class FormatError(SearchkitError):
    def __init__(self, path: Path, why: str, cure: str) -> None:
        super().__init__(f"{path}: {why}. {cure}")
        self.path, self.why = path, why


class DamagedIndex(FormatError): ...


class ModelError(SearchkitError): ...


class ModelMismatch(SearchkitError): ...


class StorageError(SearchkitError): ...


class MissingExtra(SearchkitError, ImportError):
    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed. Run: pip install 'searchkit[{extra}]'")


def need(package: str, *, extra: str) -> ModuleType:
    """The imported optional package, or MissingExtra with the command that installs it."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtra(package, extra) from None
