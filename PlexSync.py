"""Start PlexSync: Stash's protocol on stdin, or the command line.

Kept tiny, because Python caches no bytecode for it, and readable for Python 3.6, which is told what PlexSync needs.
"""

import sys

if __name__ == "__main__":
    try:
        if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one starts it all the same
            raise ImportError
        if sys.flags.safe_path:  # -I, -P or PYTHONSAFEPATH: the script's own folder is not on the path
            sys.path.insert(0, __file__.rpartition("PlexSync.py")[0] or ".")
        if len(sys.argv) > 1:
            from plexsync.core.environment import find_packages

            find_packages()
            from plexsync.cli import main
        else:
            import gc

            gc.disable()  # a hook lives for some 15 ms, and one collection would take 1 of them
            from plexsync.entry import main
        main()
    except BaseException as error:
        try:
            from plexsync.core import unfit

            is_unfit = unfit.is_at_fault(error)
            if not is_unfit:
                from plexsync.guard import end
        except ImportError:  # in the midst of an update or a removal, which Stash does file by file
            sys.exit("PlexSync's files are incomplete: Stash is updating or removing it. If this stays, reinstall it.")
        if is_unfit:
            unfit.tell()
        else:
            end(error)
            raise
