"""A writer's operations, recorded at the system's calls -> every state a power cut may leave."""

import os
import random
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OPERATIONS = ("mkdir", "rename", "replace", "unlink", "remove", "rmdir", "fsync")  # of os
ROOT = 0  # id of the folder that was there before


@dataclass(frozen=True)
class Moment:
    """The disk between two operations: what is safe on it, and what may have reached it.

    Files and folders have ids. A change is a list of (folder, name, id or None) that reach the
    disk together, as those of a rename do; each change may do so or not, whatever came before it.
    """

    after: str  # the operation
    folders: dict[int, dict[str, int]]  # safe: names in a folder at its last fsync
    synced: dict[int, bytes]  # safe: content of a file at its last fsync
    pending: tuple[tuple[tuple[int, str, int | None], ...], ...]
    contents: dict[int, bytes]  # of every file, as programs see it

    def tree(self, reached, fill):
        """Path -> content (None for a folder), where these changes reached the disk.

        fill: what becomes of content that was not forced to the disk.
        """
        folders = {folder: dict(names) for folder, names in self.folders.items()}
        for change in reached:
            for folder, name, one in change:
                names = folders.setdefault(folder, {})
                names.pop(name, None)
                if one is not None:
                    names[name] = one
        return dict(self._walk(folders, fill, ROOT, ""))

    def _walk(self, folders, fill, folder, at):
        for name, one in sorted(folders.get(folder, {}).items()):
            path = f"{at}{name}"
            if one in self.contents:
                content = self.contents[one]
                yield path, content if self.synced.get(one) == content else fill(content)
            else:
                yield path, None
                yield from self._walk(folders, fill, one, path + "/")

    def choices(self, chance):
        """What may have reached, each with a fate of the rest: arguments of `tree`.

        None, all, each alone, all but each, and some at random.
        """
        alone = [[change] for change in self.pending]
        without = [[*self.pending[:n], *self.pending[n + 1 :]] for n in range(len(self.pending))]
        some = [[c for c in self.pending if chance.random() < 0.5] for _ in range(4)]
        reached = [[], self.pending, *alone, *without, *some]
        return [(one, fill) for one in reached for fill in (_nothing, _half, _all)]


def _nothing(content):
    return b""


def _half(content):
    return content[: len(content) // 2]


def _all(content):
    return content


class Killed(BaseException):
    """The process is dead: none of its clean-up happens, for every operation raises this."""


class Recorder:
    """Watches a folder, all of it safe at first, through fsync, mkdir, rename and unlink.

    left: operations until the process is dead; None for no end.
    """

    def __init__(self, root):
        self.left = None
        self.root, self._lock = Path(root).resolve(), threading.Lock()
        self._ids, self._next = {self.root.stat().st_ino: ROOT}, ROOT + 1
        self._now, self._contents = self._scan()
        self._safe = {folder: dict(names) for folder, names in self._now.items()}
        self._synced, self._pending = dict(self._contents), []
        self.moments = [self._moment("nothing")]

    @contextmanager
    def recording(self, monkeypatch):
        with monkeypatch.context() as patch:
            for name in OPERATIONS:
                patch.setattr(os, name, self._watched(name, getattr(os, name)))
            yield self

    def _watched(self, name, call):
        def watched(path, *args, **options):
            paths = [self._path(one, options) for one in (path, *args) if not _is_mode(name, one)]
            if not any(one.is_relative_to(self.root) for one in paths):
                return call(path, *args, **options)
            with self._lock:
                if self.left == 0:
                    raise Killed
                call(path, *args, **options)
                self._add(name, paths)
                self.left = None if self.left is None else self.left - 1
                return None  # as all of these do

        return watched

    def _path(self, named, options):
        if isinstance(named, int):
            return Path(f"/proc/self/fd/{named}").readlink()
        folder = options.get("dir_fd")
        base = Path(f"/proc/self/fd/{folder}").readlink() if folder is not None else Path.cwd()
        return base / os.fsdecode(named)

    def _add(self, name, paths):
        ids_before = dict(self._now)
        now, contents = self._scan()
        changes = [
            (folder, entry, now.get(folder, {}).get(entry))
            for folder in sorted(ids_before.keys() | now.keys())
            for entry in sorted(ids_before.get(folder, {}).keys() | now.get(folder, {}).keys())
            if ids_before.get(folder, {}).get(entry) != now.get(folder, {}).get(entry)
        ]
        renamed = {path.name for path in paths} if len(paths) > 1 else set()
        together = tuple(change for change in changes if change[1] in renamed)
        self._pending += [(change,) for change in changes if change[1] not in renamed]
        self._pending += [together] if together else []
        self._now = now
        self._contents.update(contents)  # a name that is safe may lead to a file that is gone
        if name == "fsync":
            self._sync(paths[0])
        said = " ".join([name, *(str(path.relative_to(self.root)) for path in paths)])
        self.moments.append(self._moment(said))

    def _sync(self, path):
        one = self._ids[path.stat().st_ino]
        if one in self._contents:
            self._synced[one] = self._contents[one]
            return
        self._safe[one] = dict(self._now[one])
        left = [tuple(part for part in change if part[0] != one) for change in self._pending]
        self._pending = [change for change in left if change]

    def _moment(self, said):
        safe = {folder: dict(names) for folder, names in self._safe.items()}
        return Moment(said, safe, dict(self._synced), tuple(self._pending), dict(self._contents))

    def _scan(self):
        """Folder -> names -> ids, and file -> content, as programs see them."""
        folders, contents, seen = {}, {}, {self.root.stat().st_ino}
        todo = [(self.root, ROOT)]
        while todo:
            path, folder = todo.pop()
            folders[folder] = {}
            for entry in os.scandir(path):
                ino = entry.inode()
                seen.add(ino)
                if ino not in self._ids:
                    self._ids[ino], self._next = self._next, self._next + 1
                folders[folder][entry.name] = self._ids[ino]
                if entry.is_dir():
                    todo.append((Path(entry.path), self._ids[ino]))
                else:
                    contents[self._ids[ino]] = Path(entry.path).read_bytes()
        for ino in self._ids.keys() - seen:
            del self._ids[ino]  # the number may come back for another file
        return folders, contents


def _is_mode(name, argument):
    return name == "mkdir" and isinstance(argument, int)


def lay_out(tree, folder):
    """Put a state on the disk, in a folder that is not there yet."""
    folder.mkdir(parents=True)
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir(parents=True, exist_ok=True)
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    return folder


def states(moments, *, seed, scratch, most=None):
    """(moment, folder) for every state that a reader can tell from those before, laid out in turn.

    Readers look at neither drafts nor shards nor the lock. most: one state of so many moments.
    """
    chance, seen = random.Random(seed), set()
    todo = [(moment, moment.choices(chance)) for moment in moments]
    if most is not None:
        todo = [(moment, [chance.choice(choices)]) for moment, choices in todo * most]
        todo = chance.sample(todo, most)
    for moment, choices in todo:
        for reached, fill in choices:
            tree = moment.tree(reached, fill)
            key = hash(tuple(item for item in tree.items() if not _is_private(item[0])))
            if key not in seen:
                seen.add(key)
                yield moment, lay_out(tree, scratch / str(len(seen)))
                shutil.rmtree(scratch / str(len(seen)))


def _is_private(path):
    return any(name in ("drafts", "shards", "lock") for name in path.split("/")[:2])
