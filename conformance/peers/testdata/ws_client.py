"""A client of package websockets: ws_client.py URL none|takeover|no-takeover

It prints one line per case.
"""
import asyncio
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

URL, MODE = sys.argv[1:]
EXTENSIONS = {
    "none": None,
    "takeover": [ClientPerMessageDeflateFactory(client_max_window_bits=True)],
    "no-takeover": [ClientPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)],
}[MODE]


def connect():
    return websockets.connect(
        URL, subprotocols=["other", "chat"], compression=None, extensions=EXTENSIONS, max_size=2 << 20, ping_interval=None
    )


def sample(n, seed):
    """n letters that compress, and differ from sample to sample."""
    words = "".join(f"word{(i * 7919 + seed * 31) % 1009} " for i in range(50))
    return (words * (n // len(words) + 1))[:n]


async def echo(ws):
    for round in range(3):
        for n in [0, 1, 125, 126, 65535, 65536, 1 << 20]:
            text = sample(n, n + round)
            for data in [text, text.encode()]:
                await ws.send(data)
                if await ws.recv() != data:
                    raise AssertionError(f"{n} bytes came back different")
    print("echo ok")


async def small(ws):
    await ws.send(["fräg", "", "ments"])
    assert await ws.recv() == "frägments"
    print("fragments ok")
    await asyncio.wait_for(await ws.ping(b"hello"), 10)
    print("ping ok")
    await ws.send("ping me")
    assert await ws.recv() == "pong"
    print("pinged ok")


async def closes():
    for act in [
        lambda ws: ws.send("close 4001 why"),
        lambda ws: ws.close(4002, "bye"),
        lambda ws: ws.close(1000),
        lambda ws: ws.send(bytes((2 << 20) + 1)),
    ]:
        async with connect() as ws:
            try:
                await act(ws)
            except websockets.ConnectionClosed:
                pass  # while it was sending
            await asyncio.wait_for(ws.wait_closed(), 10)
            print(f"closed {ws.close_code} {ws.close_reason}".strip())


async def main():
    async with connect() as ws:
        print("sub-protocol", ws.subprotocol)
        extensions = getattr(ws, "extensions", None) or ws.protocol.extensions if MODE != "none" else []
        print("extension", extensions[0].name if extensions else "none")
        await echo(ws)
        await small(ws)
    await closes()


asyncio.run(asyncio.wait_for(main(), 60))
