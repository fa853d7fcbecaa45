"""Start PlexSync: Stash's protocol on stdin, or the command line. Kept tiny: Python caches no bytecode for it."""

import sys

if __name__ == "__main__":
    try:
        if len(sys.argv) > 1:
            from plexsync.cli import main
        else:
            import gc

            gc.disable()  # a hook lives for some 15 ms, and one collection would take 1 of them
            from plexsync.entry import main
        main()
    except BaseException as error:
        from plexsync.guard import end

        end(error)
        raise
