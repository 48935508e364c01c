"""A client that speaks WebSocket: PORT, CERTIFICATE or -, CASE."""

import asyncio
import random
import ssl
import sys

import websockets

PORT, CERTIFICATE, CASE = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def connect(**options):
    options = {"max_size": 2 << 20, "ping_interval": None, "open_timeout": 20, **options}
    scheme = "ws"
    if CERTIFICATE != "-":
        scheme = "wss"
        options["ssl"] = ssl.create_default_context(cafile=CERTIFICATE)
        options["server_hostname"] = "a.test"
    return websockets.connect(f"{scheme}://a.test:{PORT}/chat", host="127.0.0.1", port=PORT, **options)


async def echoed(socket, message):
    await socket.send(message)
    answer = await asyncio.wait_for(socket.recv(), 20)
    whole = "".join(message) if isinstance(message, list) else message
    assert type(answer) is type(whole) and answer == whole, (len(answer), len(whole))


async def messages():
    async with connect() as socket:
        await echoed(socket, "")
        await echoed(socket, "zażółć 🦀")
        await echoed(socket, b"\x00\xff\x80")
        for size in 125, 126, 65535, 65536, 1 << 20:
            await echoed(socket, "x" * size)
            await echoed(socket, random.randbytes(size))
    # Without compression, whose frames are much shorter.
    async with connect(compression=None) as socket:
        await echoed(socket, "y" * (1 << 20))
        await echoed(socket, random.randbytes(1 << 20))


async def parts():
    async with connect() as socket:
        await echoed(socket, ["one ", "two ", "three"])
        await echoed(socket, ["x" * 70000, "y" * 70000])
        await socket.send("/parts")
        assert await socket.recv() == "one two three"


async def pings():
    async with connect() as socket:
        await asyncio.wait_for(await socket.ping(b"from the client"), 10)
        await socket.send("/ping")
        assert await asyncio.wait_for(socket.recv(), 10) == "pong came"
        # A ping in the middle of a message of several frames.
        await asyncio.wait_for(asyncio.gather(echoed(socket, ["a", "b"]), socket.ping()), 10)


async def closes():
    for code in 1000, 1001, 1011, 3000, 4999:
        socket = await connect()
        await socket.close(code, "enough")
        assert (socket.close_code, socket.close_reason) == (code, "enough"), socket.close_code
        async with connect() as socket:
            await socket.send("/last")
            last = await socket.recv()
            assert last == f"{code} enough", last
        async with connect() as socket:
            await socket.send(f"/close {code}")
            await asyncio.wait_for(socket.wait_closed(), 10)
            assert (socket.close_code, socket.close_reason) == (code, "so be it"), socket.close_code
        # What the last ones have left.
        async with connect() as socket:
            for _ in range(2):
                await socket.send("/last")
                await socket.recv()


async def breaks():
    """A client that goes without a word: the task is told so, as by a connection that broke."""
    socket = await connect()
    await echoed(socket, "here")
    socket.transport.abort()
    async with connect() as socket:
        for _ in range(50):
            await socket.send("/last")
            last = await socket.recv()
            if last != "none":
                break
            await asyncio.sleep(0.1)
        assert last.startswith("1006"), last


async def many():
    everyone_here = asyncio.Event()
    here = 0

    async def one(number):
        nonlocal here
        async with connect() as socket:
            here += 1
            if here == 100:
                everyone_here.set()
            await asyncio.wait_for(everyone_here.wait(), 20)
            for turn in range(5):
                await echoed(socket, f"{number} {turn}" * 100)

    await asyncio.gather(*(one(number) for number in range(100)))


async def extensions():
    async with connect() as socket:
        await socket.send("/extensions")
        assert await socket.recv() == "permessage-deflate"
        protocol = getattr(socket, "protocol", socket)
        assert [it.name for it in protocol.extensions] == ["permessage-deflate"]
    async with connect(compression=None) as socket:
        await socket.send("/extensions")
        assert await socket.recv() == ""


asyncio.run(asyncio.wait_for(globals()[CASE](), 30))
