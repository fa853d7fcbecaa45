"""PlexSync carries scene metadata from Stash to Plex."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """Return ``__version__``, which stands in the manifest alone: read when first asked for, which no hook does."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with open(f"{__path__[0]}/../PlexSync.yml", encoding="utf-8") as manifest:
            version = next((line.split()[1] for line in manifest if line.startswith("version:")), "")
        globals()[name] = version
        return version
