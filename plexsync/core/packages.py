"""Let nothing be imported but Python's own modules, PlexSync's, and those that a release brings along.

Installed packages, ``PYTHONPATH``, where Stash puts the folder of all plugins, ``.pth`` files, ``sitecustomize`` and
editable installs can put a package of any version, or a module named like one of Python's, before the one that was
tested; they can also have loaded it already. Code that changes Python itself before the first line of PlexSync runs is
beyond this.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

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


def of_python(path: "Iterable[str]") -> "list[str]":
    """Return the entries of ``path`` that hold Python's own modules, as absolute paths, in their order.

    They are known by where they are, because whoever changed ``sys.path`` could put anything anywhere: the folder of
    the standard library, and beside it or in the interpreter's own prefix the zip file in which it may lie and the
    folder of its compiled modules (on Windows ``DLLs`` and the prefix itself). Where no standard library is among them,
    all of ``path`` counts: an unknown kind of Python works as it would without this.
    """
    library = os.path.normcase(_library())
    release = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    homes = {os.path.normcase(sys.base_prefix), os.path.normcase(sys.base_exec_prefix)}
    parents = {os.path.dirname(library), *homes}
    parents.update(os.path.join(home, name) for home in homes for name in ("lib", sys.platlibdir))
    zips = {os.path.join(parent, release.replace(".", "") + ".zip") for parent in parents}
    compiled = {os.path.join(parent, os.path.basename(library) or release, "lib-dynload") for parent in parents}
    if os.name == "nt":
        compiled |= homes | {os.path.join(home, "dlls") for home in homes}
    found: list[str] = []
    has_library = False
    for folder in dict.fromkeys(os.path.abspath(entry) for entry in path if entry):
        name = os.path.normcase(folder)
        if name == library or name in zips or name in compiled:
            found.append(folder)
            has_library = has_library or name == library or (name in zips and os.path.isfile(folder))
    return found if has_library else list(path)


def _library() -> str:
    """Return the folder of the standard library; ``""`` where there is none, as in the embeddable Python."""
    file = getattr(os, "__file__", None)
    return os.path.dirname(os.path.abspath(file)) if file else ""


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
