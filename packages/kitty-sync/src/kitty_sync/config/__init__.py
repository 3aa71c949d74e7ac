"""Sync configuration: `config.toml` (FR-001)."""

from __future__ import annotations

from kitty_sync.config.address import server_url
from kitty_sync.config.file import SyncConfig
from kitty_sync.config.settings import BackgroundDaemon, EventSyncMode, Settings

__all__ = ["BackgroundDaemon", "EventSyncMode", "Settings", "SyncConfig", "server_url"]
