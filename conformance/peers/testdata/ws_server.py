"""A server of package websockets: ws_server.py none|takeover|no-takeover

It prints its port, and then how each connection ended.
"""
import asyncio
import signal
import sys

import websockets
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

EXTENSIONS = {
    "none": None,
    "takeover": [ServerPerMessageDeflateFactory(server_max_window_bits=12, client_max_window_bits=12)],
    "no-takeover": [ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)],
}[sys.argv[1]]


async def act(ws, message):
    if isinstance(message, str) and message.startswith("close "):
        _, code, reason = message.split(" ", 2)
        await ws.close(int(code), reason)
    elif message == "ping me":
        await (await ws.ping(b"server"))
        await ws.send("pong")
    elif message == "fragments":
        await ws.send(["fräg", "", "ments"])
    else:
        await ws.send(message)


async def serve(ws, path=None):
    tasks = set()
    try:
        async for message in ws:
            if message == "ping me":  # its pong comes while messages are read
                tasks.add(asyncio.ensure_future(act(ws, message)))
            else:
                await act(ws, message)
    except websockets.ConnectionClosed:
        pass
    await ws.wait_closed()
    for task in tasks:
        task.cancel()
    print(f"closed {ws.close_code} {ws.close_reason}".strip(), flush=True)


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with websockets.serve(
        serve, "127.0.0.1", 0, subprotocols=["chat"], compression=None, extensions=EXTENSIONS, max_size=2 << 20, ping_interval=None
    ) as server:
        print("port", list(server.sockets)[0].getsockname()[1], flush=True)
        await stop.wait()


asyncio.run(main())
