"""A task that speaks WebSocket: ADDRESS PORT.

It sends back what comes, text as text and bytes as bytes. A text that begins with a slash is a command.
"""

import asyncio
import sys

import websockets


async def serve(socket):
    # Close codes of clients, which the next one may ask for, are kept.
    try:
        async for message in socket:
            if message == "/extensions":
                protocol = getattr(socket, "protocol", socket)
                names = [extension.name for extension in protocol.extensions]
                await socket.send(",".join(names))
            elif message == "/ping":
                await (await socket.ping(b"from the task"))
                await socket.send("pong came")
            elif message == "/parts":
                await socket.send(["one ", "two ", "three"])
            elif message == "/last":
                await socket.send(last.pop() if last else "none")
            elif isinstance(message, str) and message.startswith("/close "):
                await socket.close(int(message.split()[1]), "so be it")
            else:
                await socket.send(message)
    except websockets.ConnectionClosed:
        pass
    last.append(f"{socket.close_code} {socket.close_reason}")


last = []


async def main():
    address, port = sys.argv[1], int(sys.argv[2])
    options = {"max_size": 2 << 20, "ping_interval": None}
    async with websockets.serve(serve, address, port, **options):
        print("ready", flush=True)
        await asyncio.Future()


asyncio.run(main())
