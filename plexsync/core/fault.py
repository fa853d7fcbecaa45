"""What ended a process before its log was open: one sentence, and where it is left for people to find.

Loaded only when something failed, perhaps because a module of Python itself cannot be loaded: so it needs ``os`` and
``sys`` alone, and everything else only if it can be had. ``guard.py`` decides which process does what.
"""

import os
import sys

from plexsync.core import environment

#: Characters of an exception's text that a sentence quotes.
QUOTED = 200
#: Bytes of ``worker.err`` that are read: the end of a traceback.
TAIL = 8000
#: The beginning of every sentence that PlexSync itself leaves in ``worker.err``.
OURS = "PlexSync"
#: Seconds between two attempts.
INTERVAL = 60.0

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def sentence(error: BaseException) -> str:
    """Return what the user has to know about an error outside any job: which file is at fault, and what to do."""
    shadow = _shadow(error)
    if shadow:
        name, file = shadow
        return (
            f"PlexSync is paused: the file {file} is loaded in place of the Python module {name}."
            " Rename or remove that file; syncing then resumes within a minute."
        )
    if _is_own(error):
        return incomplete(_why(error))
    if isinstance(error, ModuleNotFoundError) and _top(error) in sys.stdlib_module_names:
        return (
            f"PlexSync is paused: a module of Python itself cannot be loaded ({_why(error)}). Install all of Python, or"
            " name another one in Stash under Settings > System > Python executable path; syncing then resumes"
            " within a minute."
        )
    file = next(_files(error), "")
    is_own = file.startswith(_own_folder())
    if isinstance(error, ImportError) or (_is_import(error) and not is_own):
        where = f"the Python module in {file}" if file and not is_own else "a Python module"
        return (
            f"PlexSync is paused: {where} cannot be loaded ({_why(error)})."
            " Repair or remove it; syncing then resumes within a minute."
        )
    if isinstance(error, OSError):
        return (
            f"PlexSync is paused: error on this machine ({error}). Free disk space, or let Stash write in PlexSync's"
            " data folder (plugin_data/PlexSync). Retrying every minute; no edit is lost."
        )
    place = f" in {os.path.basename(file)}" if file else ""
    return (
        f"PlexSync is paused: internal error ({type(error).__name__}{place}). This is a bug; see plexsync.log."
        " Retrying every minute; no edit is lost."
    )


def incomplete(why: str) -> str:
    """Return the sentence for files of the plugin that are missing or do not fit together."""
    return (
        f"PlexSync is paused: the plugin's files are incomplete or mixed ({why})."
        " Reinstall PlexSync under Settings > Plugins; syncing then resumes automatically."
    )


def is_shadowed(error: BaseException) -> bool:
    """Return whether a file that stands in the way of a Python module is at fault."""
    return _shadow(error) is not None


def _why(error: BaseException) -> str:
    """Return the error as text; of an import, nothing private is known by then."""
    text = " ".join(str(error).split())[:QUOTED]
    if isinstance(error, (ImportError, SyntaxError)):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}" if text and _is_import(error) else type(error).__name__


def _chain(error: BaseException) -> "Iterator[BaseException]":
    """Yield the error and those that led to it."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or following.__context__


def _frames(error: BaseException) -> list[tuple[str, str]]:
    """Return file and function of each call in which the error was raised, the deepest first."""
    frames: list[tuple[str, str]] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append((code.co_filename, code.co_name))
        trace = trace.tb_next
    return frames[::-1]


def _is_import(error: BaseException) -> bool:
    """Return whether the error was raised while a module was being loaded."""
    return isinstance(error, (ImportError, SyntaxError)) or any(
        code == "<module>" and file != environment.ENTRY for file, code in _frames(error)
    )


def is_of_package(error: BaseException) -> bool:
    """Return whether the error was raised by a module of another package as it was being loaded."""
    return _is_import(error) and not next(_files(error), _own_folder()).startswith(_own_folder())


def _files(error: BaseException) -> "Iterator[str]":
    """Yield the files that may be at fault, the likeliest first."""
    for each in _chain(error):
        named = [
            getattr(each, "filename", None) if isinstance(each, SyntaxError) else None,
            getattr(each, "path", None) if isinstance(each, ImportError) else None,
        ]
        for name in (*named, *(file for file, _ in _frames(each))):
            if isinstance(name, str) and not name.startswith("<") and os.path.exists(name):
                yield os.path.abspath(name)


def _shadow(error: BaseException) -> "tuple[str, str] | None":
    """Return name and file of a module that stands in the way of Python's own, or of a required package."""
    concerned = [getattr(each, "obj", None) for each in _chain(error)]  # of an AttributeError
    concerned += [
        module for name, module in list(sys.modules.items()) if f"'{name}'" in str(error) or f"'{name}." in str(error)
    ]
    loaded = [
        file
        for module in concerned
        if isinstance(module, type(sys)) and isinstance(file := getattr(module, "__file__", None), str)
    ]
    for file in (*_files(error), *loaded):
        folder, base = os.path.split(os.path.abspath(file))
        if base.startswith("__init__."):
            folder, base = os.path.split(folder)
        name = base.partition(".")[0]
        if name in sys.stdlib_module_names and not _is_in(folder, _stdlib()) and folder in _search_path():
            return name, file
        if name in REQUIRED and folder in (environment.PLUGIN_DIR, os.path.realpath(environment.PLUGIN_DIR), _here()):
            return name, file
    return None


#: The modules of ``requirements.PACKAGES`` and those that they bring.
REQUIRED = frozenset(
    (
        *("stashapi", "plexapi", "persistqueue", "requests", "unidecode"),
        *("urllib3", "certifi", "charset_normalizer", "chardet", "idna"),
    )
)


def _stdlib() -> tuple[str, ...]:
    """Return the folders of Python's own modules: the source's, and of each package within it."""
    source = getattr(os, "__file__", None) or ""
    return (
        tuple({os.path.dirname(os.path.abspath(source)), os.path.dirname(os.path.realpath(source))}) if source else ()
    )


def _is_in(folder: str, roots: tuple[str, ...]) -> bool:
    inside = any(folder == root or folder.startswith(root + os.sep) for root in roots)
    return not roots or (inside and "site-packages" not in folder and "dist-packages" not in folder)


def _search_path() -> set[str]:
    return {os.path.abspath(entry or _here()) for entry in sys.path}


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def _own_folder() -> str:
    return os.path.join(environment.PLUGIN_DIR, "plexsync") + os.sep


def _is_own(error: BaseException) -> bool:
    """Return whether files of the plugin itself, or packages of a release, are missing or do not fit together."""
    if isinstance(error, SyntaxError):
        return not error.filename or os.path.abspath(error.filename).startswith((_own_folder(), _bundle()))
    if isinstance(error, ImportError) and _top(error) == "plexsync":
        return True
    if not environment.has_packages() or _top(error) in sys.stdlib_module_names:
        return False
    return isinstance(error, ImportError) or (_is_import(error) and next(_files(error), "").startswith(_bundle()))


def _top(error: BaseException) -> str:
    """Return the name of the module or package that an ``ImportError`` is about; ``""`` of any other error."""
    return str(getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""


def _bundle() -> str:
    return environment.PACKAGES + os.sep


# -- where the sentence is left


def leave(folder: str, text: str, now: float) -> None:
    """Leave the sentence in ``plexsync.log``, in ``problem`` of the status, and for Stash's log. Never raise.

    The lock's holder calls this. A sentence that is the problem already is not said again.
    """
    if not _store_problem(folder, text, now):
        return
    at = _stamp(now)
    line = f'{{"time": "{at}", "level": "error", "message": {quoted(text)}}}\n'
    _append(os.path.join(folder, environment.LOG), line)
    leave_untold(folder, text)


def leave_untold(folder: str, text: str) -> None:
    """Leave the sentence for Stash's log: the next call of the plugin writes it there. Never raise."""
    _append(environment.worker_errors(folder), text + "\n")


def tell(folder: str) -> None:
    """Write what the background process left to Stash's log, as one line, and forget it. Never raise."""
    adopt(folder, _now())
    say("\n".join(dict.fromkeys(line for line in _take(folder).splitlines() if line.startswith(OURS))))


def say(text: str) -> None:
    """Write lines to stderr in Stash's protocol, as errors. Never raise."""
    try:
        for line in text.splitlines():
            sys.stderr.buffer.write(b"\x01e\x02" + line.encode("utf-8", "replace") + b"\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


def adopt(folder: str, now: float) -> None:
    """Take up what a worker said on stderr as it died before it could log: an interpreter that cannot start, say."""
    try:
        with open(environment.worker_errors(folder), "rb") as file:
            text = file.read(TAIL).decode("utf-8", "replace")
    except OSError:
        return
    if text.strip() and not text.startswith(OURS):
        text = _take(folder)
        leave(folder, _ended_by(text), now)


def _ended_by(text: str) -> str:
    """Return the sentence about a process whose last words are ``text``; ``""`` for none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    fatal = next((line for line in lines if line.startswith("Fatal ")), "")
    # A crash lists the calls from the last one on, an exception from the first one on.
    calls = [line for line in lines if line.startswith('File "') and (line.endswith("in <module>") or not fatal)]
    files = [line.split('"')[1] for line in (calls if fatal else reversed(calls)) if line.count('"') > 1]
    where = f" in {files[0]}" if files else ""
    return (
        f"PlexSync is paused: its background process could not start ({(fatal or lines[-1])[:QUOTED]}{where})."
        " The next edit tries again; no edit is lost."
    )


def _take(folder: str) -> str:
    """Return the end of ``worker.err``, and empty it."""
    try:
        with open(environment.worker_errors(folder), "r+b") as file:
            text = file.read()[-TAIL:].decode("utf-8", "replace")
            file.truncate(0)
    except OSError:
        return ""
    return text


def _append(path: str, line: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        try:
            os.write(fd, line.encode("utf-8", "replace"))
        finally:
            os.close(fd)
    except OSError:
        return


def _now() -> float:
    try:
        import time

        return time.time()
    except Exception:
        return 0.0


def _stamp(now: float) -> str:
    try:
        import time

        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    except Exception:
        return ""


def quoted(text: str) -> str:
    """Return ``text`` as a JSON string: the module ``json`` may be what is broken."""
    escaped = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escaped.get(char) or (char if char >= " " else f"\\u{ord(char):04x}") for char in text) + '"'


def _store_problem(folder: str, text: str, now: float) -> bool:
    """Store a pause with this problem in ``state.db``; return False if the last one had the same."""
    pause = (
        f'{{"kind": "setup", "until": {now + INTERVAL!r}, "problem": {quoted(text)}, "interval": {INTERVAL!r},'
        f' "began": {now!r}, "looked_at": {now!r}}}'
    )
    try:
        from plexsync.core.sqlite import sqlite3

        conn = sqlite3.connect(os.path.join(folder, environment.STATE_DB), timeout=5.0, isolation_level=None)
        try:
            conn.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
            before = conn.execute("SELECT json_extract(value, '$.problem') FROM meta WHERE name = 'pause'").fetchone()
            conn.execute("INSERT OR REPLACE INTO meta VALUES ('pause', ?)", (pause,))
        finally:
            conn.close()
    except Exception:
        return True
    return before is None or before[0] != text


# -- stderr of the background process


def hush(folder: str) -> None:
    """Send stderr to the null device if it is ``worker.err``: packages may say there what a log must not hold."""
    try:
        error, here = os.stat(environment.worker_errors(folder)), os.fstat(2)
        if (error.st_dev, error.st_ino) == (here.st_dev, here.st_ino):
            _redirect(os.devnull, os.O_WRONLY)
    except OSError:
        return


def listen(folder: str) -> None:
    """Send stderr to ``worker.err`` if it is the null device: the next interpreter may not even start."""
    try:
        if os.path.samestat(os.stat(os.devnull), os.fstat(2)):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            _redirect(environment.worker_errors(folder), flags)
    except OSError:
        return


def _redirect(path: str, flags: int) -> None:
    fd = os.open(path, flags, 0o600)
    os.dup2(fd, 2, inheritable=True)
    os.close(fd)
