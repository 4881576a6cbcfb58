"""Peer (a): FastAPI and uvicorn, base64 inside JSON both ways, float32 eager torch.

The way most labs put a network on the wire. Kept honest: one inference at a time with all threads, which is faster
than letting FastAPI's thread pool run forty at once on the same cores.
"""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from depthwire.bench.peers.official import OfficialPipeline
from depthwire.bench.peers.settings import PeerSettings


def make_app(settings: PeerSettings) -> FastAPI:
    """The application: POST /depth {image} → {depth, shape}, GET /health."""
    folder = Path(settings.checkpoints) if settings.checkpoints else None
    pipeline = OfficialPipeline(settings.model, folder, settings.threads)
    one_at_a_time = threading.Lock()

    def depth(request: dict[str, str]) -> dict[str, Any]:
        image = base64.b64decode(request["image"])
        with one_at_a_time:
            result = pipeline.infer_image(image)
        return {"depth": base64.b64encode(result.tobytes()).decode("ascii"), "shape": list(result.shape)}

    def health() -> dict[str, str]:
        return {"status": "ok"}

    app = FastAPI()
    app.add_api_route("/depth", depth, methods=["POST"])
    app.add_api_route("/health", health, methods=["GET"])
    return app


def main() -> None:
    settings = PeerSettings.from_environment()
    uvicorn.run(make_app(settings), host="127.0.0.1", port=settings.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
