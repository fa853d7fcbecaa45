"""Start the plugin under ``-S`` with what ``site`` would have brought into the process: coverage, and crash points.

    python -S start.py FOLDER PlexSync.py

``-S`` skips ``.pth`` files and ``sitecustomize``, the two ways in which tests enter the processes that they start. So
the test server puts this program in front of the script where coverage measures or ``PLEXSYNC_CRASH`` is set, and
nowhere else. ``FOLDER`` is where ``coverage`` lies. Afterwards the process is as Python would have made it: the same
flags, ``sys.argv``, ``sys.path`` and ``__main__``. The product knows nothing of it.
"""

import os
import sys

#: The variables by which a process tells those that it starts to be measured (coverage), or to die (crash points).
MEASURE = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
CRASH = "PLEXSYNC_CRASH"


def main() -> None:
    """Enter what the environment asks for, then run the script."""
    _, folder, script, *words = sys.argv
    sys.argv[:] = [script, *words]
    sys.path[0] = folder
    if any(os.environ.get(name) for name in MEASURE):
        import coverage

        coverage.process_startup()
    sys.path[0] = os.path.dirname(script)
    if os.environ.get(CRASH):
        __import__("sitecustomize")  # on PYTHONPATH
    module = sys.modules["__main__"] = type(sys)("__main__")
    module.__file__ = script
    with open(script, "rb") as file:
        exec(compile(file.read(), script, "exec"), module.__dict__)


if __name__ == "__main__":
    main()
