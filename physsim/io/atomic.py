"""Output files appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from physsim.errors import OutputError, message

_AT_ONCE = 4  # files of a series being made and written
_ALLOW = "Choose another name, or allow replacing it (--overwrite, overwrite=True)."


def check_output(path: str | Path, overwrite: bool = False) -> Path:
    """`path` as a Path when a file may be written there; call it before long work.

    Raises OutputError when the file exists and `overwrite` is False, or when its folder is missing or read-only.
    """
    path = Path(path)
    if path.is_symlink():
        path = path.resolve()  # what the link points to is written, the link stays
    if path.is_dir():
        raise OutputError(message(str(path), "is a folder", "Give a file name in it."))
    if path.exists() and not path.is_file():
        raise OutputError(message(str(path), "is a device, pipe or socket, which cannot be replaced by a whole file",
                                  "Give the name of an ordinary file."))
    if path.exists() and not overwrite:
        raise OutputError(message(str(path), "exists already",
                                  _ALLOW))
    if not path.parent.is_dir():
        raise OutputError(message(str(path), f"there is no folder {path.parent}", f"Make it: mkdir -p {path.parent}"))
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(message(str(path), f"no permission to write in {path.parent}",
                                  "Choose another folder, or change its permissions."))
    return path


@contextlib.contextmanager
def written_whole(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path in the same folder, renamed to `path` when the block ends well and removed when it does not.

    The bytes are flushed to disk before the rename. A failure of the operating system (no space, no permission, a
    read-only file system) becomes OutputError; any other exception passes through. Nothing is left behind.

    >>> with written_whole("result.bin") as temporary:      # doctest: +SKIP
    ...     temporary.write_bytes(b"whole")
    """
    path = check_output(path, overwrite)
    # Short, so that it fits where `path` fits; with the same ending, for writers that look at it.
    temporary = path.parent / f".physsim-{secrets.token_hex(8)}{path.suffix[:16]}"
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _publish(temporary, path, overwrite)
        _sync_folder(path.parent)
    except OutputError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(message(str(path), f"could not be written whole ({reason}); nothing is left behind",
                                  "Free some space or choose another folder.")) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes | memoryview, overwrite: bool = False) -> None:
    """Write `data` to `path`, whole or not at all."""
    with written_whole(path, overwrite) as temporary, temporary.open("wb") as file:
        file.write(data)


def write_series(paths: Sequence[Path], content: Callable[[int], bytes], overwrite: bool = False) -> None:
    """Write `content(n)` to `paths[n]`, each whole or not at all; when one fails, none is left behind (but files that
    `overwrite` replaced before stay replaced).

    All files are made and written under temporary names first, several at a time (flushes to disk wait, and share one
    another's waiting), and then renamed. `content` is called from threads, in no order.
    """
    folders = {path.parent for path in paths}
    mark = secrets.token_hex(8)
    temporaries = [path.parent / f".physsim-{mark}-{number}" for number, path in enumerate(paths)]
    published: list[Path] = []
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda number: _flushed(temporaries[number], content(number)), range(len(paths))))
        for temporary, path in zip(temporaries, paths, strict=True):
            _publish(temporary, check_output(path, overwrite), overwrite)
            published.append(path)
        for folder in folders:
            _sync_folder(folder)
    except BaseException as error:
        for path in () if overwrite else published:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, OutputError):
            raise OutputError(message(str(paths[len(published)]),
                                      f"could not be written whole ({error.strerror or error}); nothing is left behind",
                                      "Free some space or choose another folder.")) from error
        raise
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def _flushed(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _publish(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, fails when another process made `path` meanwhile
    except FileExistsError:
        raise OutputError(message(str(path), "was made by another process meanwhile",
                                  _ALLOW)) from None
    except OSError:  # a file system without hard links
        check_output(path, overwrite=False)
        temporary.rename(path)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some network file systems refuse; the file itself is already on disk
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
