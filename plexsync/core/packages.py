"""Let nothing be imported but Python's own modules, PlexSync's, and those that a release brings along.

Installed packages, ``PYTHONPATH``, where Stash puts the folder of all plugins, ``.pth`` files, ``sitecustomize`` and
editable installs can put a package of any version, or a module named like one of Python's, before the one that was
tested; they can also have loaded it already. Code that changes Python itself before the first line of PlexSync runs is
beyond this.
"""

import os
import sys

from plexsync.core.environment import of_python

#: Where Python's own entries of ``sys.path_hooks`` are defined.
HOOKS = ("zipimport", "_frozen_importlib_external")


def use_only(packages: str) -> None:
    """Import from Python's own folders and ``packages`` alone, and forget what was loaded from anywhere else.

    ``plexsync`` itself is loaded by then and finds its modules by its ``__path__``.
    """
    own = of_python(sys.path)
    sys.path[:] = [*own, packages]
    sys.path_importer_cache.clear()
    sys.path_hooks[:] = [hook for hook in sys.path_hooks if getattr(hook, "__module__", "") in HOOKS]
    for name, module in list(sys.modules.items()):
        if not _may_stay(name, module, own):
            del sys.modules[name]
    from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder]


def _may_stay(name: str, module: object, own: "list[str]") -> bool:
    """Return whether a loaded module is Python's own, PlexSync's or the program itself."""
    top = name.partition(".")[0]
    if top in ("__main__", "plexsync"):
        return True
    if top not in sys.stdlib_module_names:
        return False
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    file = getattr(module, "__file__", None)
    if origin in ("built-in", "frozen") or not isinstance(file, str):
        return True
    file = os.path.abspath(file)
    return any(file.startswith(folder + os.sep) and not _is_installed(file[len(folder) :]) for folder in own)


def _is_installed(file: str) -> bool:
    """Return whether it lies in a folder of installed packages, which may itself lie in the standard library's."""
    return not {"site-packages", "dist-packages"}.isdisjoint(file.split(os.sep))
