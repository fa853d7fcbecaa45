"""Connections that tell how far a request came, to know which may be repeated. Knows nothing of Plex."""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _Progress:
    """How far a connection came with its latest request.

    ``kept``: the connection had answered before. ``taken``: it took bytes of the request. ``answered``: headers came.
    """

    _newest: _Progress | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.kept = self.taken = self.answered = False
        super().__init__(*args, **kwargs)

    def connect(self) -> None:
        self.kept = self.answered = False
        super().connect()  # type: ignore[misc]

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        _Progress._newest = self
        self.kept, self.taken, self.answered = self.answered, False, False
        super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        super().send(data)  # type: ignore[misc]
        self.taken = True

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        response = super().getresponse(*args, **kwargs)  # type: ignore[misc]
        self.answered = True
        return response


class _Connection(_Progress, HTTPConnection):
    pass


class _TLSConnection(_Progress, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    # Without an ssl module urllib3 has a stand-in, by which the pool tells that it cannot connect.
    ConnectionCls = _TLSConnection if issubclass(HTTPSConnection, HTTPConnection) else HTTPSConnection


class Adapter(HTTPAdapter):
    """The transport of one session."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of such connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def may_repeat(self, *, reads: bool) -> bool:
        """Return whether the request that just failed may be sent again; ``reads``: it changes nothing."""
        newest = _Progress._newest
        return newest is not None and newest.kept and not newest.answered and (reads or not newest.taken)

    def drop_connections(self) -> None:
        """Close the kept connections, so that the next request opens a new one."""
        self.poolmanager.clear()
