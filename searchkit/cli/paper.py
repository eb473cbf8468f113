"""What `--like` names -> the paper whose words are the query."""

from __future__ import annotations

import json
from pathlib import Path

from searchkit.errors import QueryError
from searchkit.index.index import Index
from searchkit.search.searcher import clean
from searchkit.types import Doc


def paper(index: Index, name: str) -> Doc:
    """The document with this id, else the file of this name.

    A .json file holds one object with title, text or abstract; any other file is text.
    QueryError: neither of them, or a file that holds no text.
    """
    path = Path(name)
    try:
        return index[index.row(clean(name))]
    except QueryError:
        if not _exists(path):
            raise QueryError(
                f"{name!r} is neither an id in {index.path} nor a file. Ids are as in the corpus."
            ) from None
    text = _read(path)
    return _from_json(path, text) if path.suffix.lower() == ".json" else Doc(name, "", text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _read(path: Path) -> str:
    if path.is_dir():
        raise QueryError(f"{path} is a folder. Give a text file or JSON.")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise QueryError(f"{path} is not UTF-8 text. Give a text file or JSON.")
    if not text.strip():
        raise QueryError(f"{path} is empty. Give a text file or JSON.")
    return text


def _from_json(path: Path, text: str) -> Doc:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise QueryError(f"{path} is not JSON. Write an object with title and text.") from None
    fields = fields if isinstance(fields, dict) else {}
    title, body = fields.get("title") or "", fields.get("text") or fields.get("abstract") or ""
    if not (isinstance(title, str) and isinstance(body, str) and (title + body).strip()):
        raise QueryError(f"{path} has no title and no text. Write an object with these fields.")
    return Doc(str(path), title, body)
