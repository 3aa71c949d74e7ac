"""The file `config.toml`: read without a trace, changed under its lock, refused where it cannot be understood."""

from __future__ import annotations

from kitty_paths import StateRoot
from kitty_sync.config.address import KEY as SERVER_URL
from kitty_sync.config.settings import Settings, checked_at, place_of, read_settings
from kitty_sync.errors import InvalidSettingError
from kitty_sync.storage.documents import Drop, Put, TomlFile
from kitty_sync.storage.faults import quoted


class SyncConfig:
    """The sync configuration below one root.

    Args:
        root: The root; nothing is read until something is asked for.
    """

    def __init__(self, root: StateRoot) -> None:
        self._file = TomlFile(root, root.sync.config, root.sync.config_lock)

    def read(self) -> Settings:
        """Give the settings; where there is no file, the defaults. Creates nothing.

        Raises:
            InvalidSettingError: A known key has a value it cannot have.
            DamagedFileError: The file is no TOML.
            StateError: It cannot be read.
        """
        document = self._file.read()
        try:
            return read_settings(document)
        except InvalidSettingError as error:
            path = self._file.surface.path
            raise type(error)(
                f"{path}: {error.message}", key=error.key, hint=error.hint or f"correct it in {quoted(path)}"
            ) from None

    def set_server_url(self, url: str) -> str:
        """Choose the server and give its address as it was stored (FR-001).

        Raises:
            InvalidServerUrlError: The address may not be used; nothing was written.
            StateError: The file cannot be read or written; it is as it was.
        """
        return str(self.set(SERVER_URL, url))

    def set(self, key: str, value: object) -> str | int | bool:
        """Give a key a value, and give back what was stored. Everything else in the file stays as it is.

        Args:
            key: Dotted, such as `sync.max_queue_size` or `sync.repo_defaults.acme/app.enabled`.
            value: Checked and normalised.

        Raises:
            InvalidSettingError: There is no such key, or it cannot have that value; nothing was written.
            StateError: The file cannot be read or written; it is as it was.
        """
        place = place_of(key)
        stored = checked_at(key, value)
        # A plain string: tomlkit would not know what to make of a member of an enumeration.
        plain = str(stored) if isinstance(stored, str) else stored
        self._file.edit(lambda _: [Put(place, plain)])
        return stored

    def unset(self, key: str) -> bool:
        """Remove a key, and say whether it was there.

        Raises:
            InvalidSettingError: There is no such key.
            StateError: The file cannot be read or written; it is as it was.
        """
        place = place_of(key)
        if not self._file.read():
            return False  # nothing to remove: not even the lock's file comes into being
        return self._file.edit(lambda _: [Drop(place)])
