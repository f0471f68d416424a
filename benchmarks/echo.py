"""The reference for HTTP: Starlette answers a JSON request with its own JSON, and does nothing else."""

from __future__ import annotations

import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def _echo(request: Request) -> JSONResponse:
    return JSONResponse(await request.json())


def main() -> None:
    """Listen on the port given."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1])))
    app = Starlette(routes=[Route("/echo", _echo, methods=["POST"])])
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=2048,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
