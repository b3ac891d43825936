"""The store's own upkeep over HTTP: compaction and backups."""

from __future__ import annotations

from proxmon.handlers.base import ApiHandler
from proxmon.tokens import Role


class CompactionHandler(ApiHandler):
    """``POST /api/compact``: give the room of deleted rows back to the disk."""

    async def prepare(self) -> None:
        """Let administrators pass."""
        await self.authorize(Role.ADMIN)

    async def post(self) -> None:
        """Answer the file's size before and after, once it is done."""
        done = await self.monitor.costs.compact()
        self.answer({"before_bytes": done.before_bytes, "after_bytes": done.after_bytes, "seconds": done.seconds})


class BackupHandler(ApiHandler):
    """``POST /api/backup``: copy everything into a directory on the server's machine."""

    async def prepare(self) -> None:
        """Let administrators pass."""
        await self.authorize(Role.ADMIN)

    async def post(self) -> None:
        """Answer where it is; the next backup deletes it unless it was moved away."""
        self.answer({"path": str(await self.monitor.back_up())})
