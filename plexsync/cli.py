"""The command line for people, and the internal commands that start the background process.

Loads only what the command needs.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys

from plexsync.core import environment, fault, locks

USAGE = """\
PlexSync carries scene metadata from Stash to Plex. Without arguments it speaks Stash's plugin protocol on stdin.

usage: python3 PlexSync.py status [--json]     show the queue, dead letters and why syncing is paused
       python3 PlexSync.py check-setup         check the Plex server, token, libraries and paths
       python3 PlexSync.py undo --all          put every item in Plex back as it was before PlexSync
       python3 PlexSync.py undo ID ...         the same for the items of these scenes
       python3 PlexSync.py doctor SCENE        say what the next line would do to this scene's item in Plex
       python3 PlexSync.py doctor --i-mean-it SCENE
                                               try on it how this Plex behaves, put all back, print a table to report
       python3 PlexSync.py doctor --i-mean-it --also-risky SCENE
                                               the same with a question that can break this item's page meanwhile
       python3 PlexSync.py doctor --put-back   put back what an interrupted doctor left
       python3 PlexSync.py doctor --forget     give that up, and say how the item was
       python3 PlexSync.py worker              run the background worker until nothing is left to do
       python3 PlexSync.py --help              show this text

The data folder is plugin_data/PlexSync beside Stash's config.yml. If it is not found there, name it with
--data-dir FOLDER or the environment variable PLEXSYNC_DATA_DIR.
"""


def main() -> None:
    """Run one command and end the process: status 0, 1 if the command found a problem, 2 for wrong arguments."""
    for stream in (sys.stdout, sys.stderr):
        _take_every_character(stream)
    status = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):  # None where there is no such stream
            stream.flush()
    os._exit(status)


def _take_every_character(stream: object) -> None:
    """Make a stream print what its encoding lacks as ``\\uXXXX``, and a file or pipe on Windows take UTF-8.

    There it would have the code page of the system's language, which lacks most scripts.
    """
    if isinstance(stream, io.TextIOWrapper):
        as_utf8 = locks.WINDOWS and not stream.isatty() and not os.environ.get("PYTHONIOENCODING")
        stream.reconfigure(encoding="utf-8" if as_utf8 else None, errors="backslashreplace")


def run(words: list[str]) -> int:
    """Run one command; return its exit status."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    command = words[0]
    ids, rest = _ids(words[1:]) if command in ("undo", "doctor") else ([], words[1:])
    options = _options(rest)
    if command not in _ALLOWED or options is None or not set(options) <= _ALLOWED[command]:
        print(f"unknown command: {' '.join(words)[:80]}\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    folder = os.path.abspath(options["data-dir"]) if options.get("data-dir") else guess_data_dir()
    obstacle = _obstacle(command, options, folder)
    if obstacle:
        print(obstacle, file=sys.stderr)
        return 1
    if command == "status":
        return _status(folder, as_json="json" in options)
    if command == "check-setup":
        return _check_setup(folder)
    if command == "undo":
        return _undo(folder, {"all": True} if "all" in options else {}, ids)
    if command == "doctor":
        return _doctor(folder, set(options), ids)
    fault.hush(folder)
    if command == "probe":
        from plexsync.daemon import probe, process

        return 0 if probe.probe(folder, process.read_key(_number(options, "key-fd"))) else 1
    from plexsync.daemon import main
    from plexsync.model.lifecycle import Next

    lock, key = _number(options, "lock-fd"), _number(options, "key-fd")
    return main.run(folder, lock, key, resumed="resumed" in options, role=Next(command))


#: What only processes of PlexSync's own are given, which run as Stash's user.
_OF_OURS = {"lock-fd", "key-fd", "resumed"}
_INTERNAL = {"data-dir"} | _OF_OURS
_ALLOWED = {
    "status": {"data-dir", "json"},
    "check-setup": {"data-dir"},
    "undo": {"data-dir", "all"},
    "doctor": {"data-dir", "i-mean-it", "also-risky", "put-back", "forget"},
    "worker": _INTERNAL,
    "idle": _INTERNAL,
    "probe": _INTERNAL,
}
_FLAGS = ("all", "json", "resumed", "i-mean-it", "also-risky", "put-back", "forget")


def _ids(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words that are ids of scenes, and the others."""
    is_id = [word.isdecimal() and before != "--data-dir" for before, word in zip(["", *words], words, strict=False)]
    ids = [word for word, yes in zip(words, is_id, strict=True) if yes]
    return ids, [word for word, yes in zip(words, is_id, strict=True) if not yes]


def _options(words: list[str]) -> dict[str, str] | None:
    """Return the ``--name value`` pairs and the flags, or None if there is anything else."""
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name = word.removeprefix("--")
        if not word.startswith("--"):
            return None
        value = "" if name in _FLAGS else next(rest, None)
        if value is None:
            return None
        options[name] = value
    return options


def guess_data_dir() -> str:
    """Return the data folder for the command line, which unlike Stash's calls does not name Stash's folder.

    That is the first one found above the plugin's folder (``<stash>/plugins/.../PlexSync``), or else the one in
    ``~/.stash``.
    """
    override = environment.data_dir("")
    if override:
        return override
    folder = environment.PLUGIN_DIR
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        if os.path.isdir(environment.data_dir(folder)):
            return environment.data_dir(folder)
    return environment.data_dir(os.path.join(os.path.expanduser("~"), ".stash"))


def _obstacle(command: str, options: dict[str, str], folder: str) -> str:
    """Return why a person's command does nothing with this data folder, and what to do; ``""`` if nothing is wrong.

    One that was not named has to be there: another one would be made beside it, and look as if all were well.
    """
    if options.keys() & _OF_OURS:
        return ""
    is_named = bool(options.get("data-dir") or environment.data_dir(""))
    if not is_named and not os.path.isdir(folder):
        return (
            f"There is no data folder at {folder}. It is made beside Stash's config.yml at the first edit, task or page"
            " of Stash. If it is somewhere else, name it with --data-dir FOLDER or the environment variable"
            " PLEXSYNC_DATA_DIR."
        )
    return "" if command == "status" else _stranger(folder)


def _stranger(folder: str) -> str:
    """Return what to do if Stash could not open what this process writes to the data folder, ``""`` if it could.

    Found out by writing: on some volumes every file has the same owner, whoever wrote it.
    """
    there = [os.path.join(folder, name) for name in (environment.CONNECTION, environment.QUEUE_DB, "")]
    part = environment.part_of(os.path.join(folder, environment.STATUS))
    try:
        owner = next(os.stat(path).st_uid for path in there if os.path.exists(path))
        own = _owner_of_new(part)
    except (OSError, StopIteration):
        return ""
    if own == owner or locks.WINDOWS:
        return ""
    return (
        f"PlexSync's files in {folder} belong to user {owner}, as whom Stash runs. What user {own} writes there, Stash"
        f" could not open. Run it as that user: sudo -u '#{owner}' python3 PlexSync.py ..., or in Docker"
        f" docker exec -u {owner} ..."
    )


def _owner_of_new(part: str) -> int:
    """Return whose a file is that this process makes, or would be if it may make none. Raise ``OSError``."""
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except PermissionError:
        return os.geteuid() if hasattr(os, "geteuid") else 0
    try:
        return os.fstat(fd).st_uid
    finally:
        os.close(fd)
        environment.discard(part)


def _number(options: dict[str, str], name: str) -> int | None:
    text = options.get(name, "")
    return int(text) if text.isdigit() else None


def _status(folder: str, *, as_json: bool) -> int:
    import json
    import sqlite3
    import time

    from plexsync import status

    try:
        status_object = status.status(folder, time.time())
    except (OSError, sqlite3.Error) as error:
        print(f"PlexSync cannot read its databases in {folder} ({error}).", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(status_object, indent=1))
    else:
        print("\n".join(status.sentences(status_object)))
    return 0


def _undo(folder: str, args: dict[str, object], ids: list[str]) -> int:
    import sqlite3

    from plexsync import status
    from plexsync.model.errors import PlexSyncError
    from plexsync.tasks import undo

    try:
        answer = undo.undo(folder, args | ({"ids": ids} if ids or not args else {}))
    except PlexSyncError as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, sqlite3.Error) as error:
        print(f"PlexSync cannot use its databases in {folder} ({error}).", file=sys.stderr)
        return 1
    print(f"{status.counted(answer['queued'], 'item')} will be put back by the background worker.")
    if answer.get("nothing"):
        print(f"{status.counted(answer['nothing'], 'scene')} of these: PlexSync holds nothing in Plex.")
    return 0


def _doctor(folder: str, flags: set[str], ids: list[str]) -> int:
    alone = flags & {"put-back", "forget"}
    if len(ids) != (0 if alone else 1) or (alone and len(flags - {"data-dir"}) > 1):
        print(f"name one scene by its id, or --put-back or --forget alone\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    if _lacks_packages():
        return 1
    from plexsync.doctor import command

    os.makedirs(folder, mode=0o700, exist_ok=True)
    scene = int(ids[0]) if ids else 0
    order = command.Order(
        scene,
        means_it="i-mean-it" in flags,
        risky="also-risky" in flags,
        only_put_back="put-back" in flags,
        forget="forget" in flags,
    )
    return command.run(folder, order)


def _lacks_packages() -> bool:
    """Return whether packages are missing, and say which."""
    from plexsync import requirements

    absent = requirements.missing()
    if absent:
        print(requirements.missing_sentence(absent))
    return bool(absent)


def _check_setup(folder: str) -> int:
    import sqlite3

    if _lacks_packages():
        return 1
    from plexsync.app import App
    from plexsync.log import Log
    from plexsync.tasks import check_setup

    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        app = App(folder, Log([]))
        try:
            report = check_setup.run(app)
        finally:
            app.close()
    except (OSError, sqlite3.Error) as error:
        print(f"PlexSync cannot use its data folder {folder} ({error}).", file=sys.stderr)
        return 1
    print("\n".join(report["lines"]))
    return 0 if report["ok"] else 1
