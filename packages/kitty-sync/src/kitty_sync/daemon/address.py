"""Where a running daemon answers: the state file, upstream's four lines (url, port, token, process id)."""

from __future__ import annotations

import attrs

from kitty_sync.secret import Secret
from kitty_sync.storage import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kitty_paths import StateRoot

HOST = "127.0.0.1"
_LINES = 4
_HIGHEST_PORT = 65535
_MOST_DIGITS = 18


@attrs.frozen
class Address:
    """Where and how a daemon is spoken to.

    Attributes:
        port: The TCP port on the loopback interface.
        token: What a request must carry; 32 hex digits. Written to the state file (mode 0600) and nowhere else.
        pid: The daemon's process id, for people. Nothing is decided by it: who lives is who holds the lock.
    """

    port: int
    token: Secret
    pid: int

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"http://{HOST}:{self.port}"

    def write(self, root: StateRoot) -> None:
        """Publish it in the root's state file.

        Raises:
            StateError: The file cannot be written.
        """
        lines = (self.url, str(self.port), self.token.reveal(), str(self.pid))
        files.replace(root, root.daemon.state, "".join(f"{line}\n" for line in lines).encode("ascii"))

    @classmethod
    def read(cls, root: StateRoot) -> Address | None:
        """Give what the root's state file says, or None where there is none or it cannot be understood.

        The host in its first line is not used: a daemon of ours is on this machine's loopback interface or nowhere.

        Raises:
            StateError: The file is there and cannot be read.
        """
        data = files.read_bytes(root, root.daemon.state)
        lines = (data or b"").decode("ascii", "replace").split()
        if len(lines) != _LINES or not (_is_number(lines[1]) and _is_number(lines[3])):
            return None
        port = int(lines[1])
        return cls(port, Secret(lines[2]), int(lines[3])) if 0 < port <= _HIGHEST_PORT else None


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MOST_DIGITS
