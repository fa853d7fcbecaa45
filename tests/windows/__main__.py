"""Run the checks: ``python -m tests.windows [NAME ...]``. The last line counts those that held.

``--all-held`` prints that line as it is when all of them did, so that a workflow can tell a run that ended early.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.windows import checks

if __name__ == "__main__":
    if sys.argv[1:] == ["--all-held"]:
        print(checks.result(len(checks.CHECKS), len(checks.CHECKS)))
        sys.exit()
    os.environ.pop("PLEXSYNC_DATA_DIR", None)
    folder = tempfile.mkdtemp(prefix="plexsync-")
    failed = checks.main(sys.argv[1:], sys.executable, Path(folder))
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(failed)
