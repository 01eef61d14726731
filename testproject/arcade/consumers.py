"""Websockets of the arcade."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Hello(AsyncJsonWebsocketConsumer):
    """Tell the visitor who they are: the session that pages know is the one that sockets know."""

    async def connect(self) -> None:
        await self.accept()
        await self.send_json({"player": self.scope["user"].get_username()})
        await self.close()
