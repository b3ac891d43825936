"""``/api/channels``: where alerts are told. An address goes in and never comes out."""

from __future__ import annotations

from proxmon.handlers.base import ApiHandler
from proxmon.handlers.hosts import read_object
from proxmon.tokens import Role


class ChannelHandlerBase(ApiHandler):
    """A route for administrators."""

    async def prepare(self) -> None:
        """Let administrators pass."""
        await self.authorize(Role.ADMIN)


class ChannelsHandler(ChannelHandlerBase):
    """``/api/channels``: all channels; POST adds one."""

    async def get(self) -> None:
        """Answer the channels by name, and how deliveries go."""
        channels, dispatcher = self.monitor.channels.list_channels(), self.monitor.dispatcher
        self.answer({"channels": [dispatcher.answer(channel) for channel in channels]})

    async def post(self) -> None:
        """Add a channel."""
        channel = await self.monitor.channels.add(read_object(self.request.body))
        self.answer(self.monitor.dispatcher.answer(channel), status=201)


class ChannelHandler(ChannelHandlerBase):
    """``/api/channels/NAME``: PATCH changes a channel, DELETE removes it."""

    async def patch(self, name: str) -> None:
        """Change what the body names."""
        channel = await self.monitor.dispatcher.change(name, read_object(self.request.body))
        self.answer(self.monitor.dispatcher.answer(channel))

    async def delete(self, name: str) -> None:
        """Delete the channel with its address."""
        await self.monitor.dispatcher.delete(name)
        self.set_status(204)
        self.finish()


class ChannelTestHandler(ChannelHandlerBase):
    """``POST /api/channels/NAME/test``: send a test message."""

    async def post(self, name: str) -> None:
        """Answer whether the service accepted it; 502 says why not."""
        await self.monitor.dispatcher.test(name)
        self.answer({"name": name, "accepted": True})
