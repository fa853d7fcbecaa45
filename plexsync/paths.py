"""Where PlexSync keeps its files: names inside the data folder, and how the folder itself is found.

Loaded by the hook: standard library's ``os`` alone.
"""

import os

QUEUE_DB = "queue.db"
STATE_DB = "state.db"
CONNECTION = "connection.json"
WORKER_LOCK = "worker.lock"
TASK_LOCK = "task.lock"
INIT_LOCK = "init.lock"
STATUS = "status.json"
METRICS = "metrics.prom"
TIMESTAMPS = "sync_timestamps.json"
LOG = "plexsync.log"
CLIENT_ID = "client_id"
PREVIEW = "preview.csv"
UNMATCHED = "unmatched.csv"

#: The plugin's folder, its entry file and its manifest, absolute whatever Stash's working directory is.
PLUGIN_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENTRY = os.path.join(PLUGIN_DIR, "PlexSync.py")
MANIFEST = os.path.join(PLUGIN_DIR, "PlexSync.yml")


def data_dir(stash_dir: str) -> str:
    """The data folder for a Stash whose configuration lies in ``stash_dir``; ``""`` when neither tells.

    ``PLEXSYNC_DATA_DIR`` overrides.
    """
    override = os.environ.get("PLEXSYNC_DATA_DIR", "")
    if override:
        return os.path.abspath(override)
    return os.path.join(os.path.abspath(stash_dir), "plugin_data", "PlexSync") if stash_dir else ""


def guess_data_dir() -> str:
    """The data folder for the command line, which gets no word from Stash.

    Looks above the plugin's folder (``<stash>/plugins/.../PlexSync``) for one that exists, else Stash's usual home.
    """
    found = data_dir("")
    if found:
        return found
    folder = PLUGIN_DIR
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        if os.path.isdir(data_dir(folder)):
            return data_dir(folder)
    return data_dir(os.path.join(os.path.expanduser("~"), ".stash"))
