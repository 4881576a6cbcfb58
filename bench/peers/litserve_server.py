"""Peer (b): LitServe over the same engine as depthwired's, JPEG bytes in, raw float32 bytes out.

Batches as large as the engine takes and no batching window, so that only the serving differs.
"""

# No postponed annotations here: LitServe reads the ones of decode_request and encode_response as they stand.
from typing import Annotated, Any

import litserve
import numpy as np
import numpy.typing as npt
from fastapi import Body, Response

from depthwire.bench.peers.settings import PeerSettings
from depthwire.bench.rig import LoadedEngine

JpegBody = Annotated[bytes, Body(media_type="application/octet-stream")]


class DepthApi(litserve.LitAPI):  # type: ignore[misc]  # its types are not looked at: it is an optional extra
    def setup(self, device: Any) -> None:
        self.engine = LoadedEngine(PeerSettings.from_environment().rig_options())

    def decode_request(self, request: JpegBody) -> npt.NDArray[np.uint8]:
        return self.engine.decode(request)

    def batch(self, inputs: list[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.uint8]]:
        return inputs

    def predict(self, pictures: Any) -> Any:
        return self.engine.run(pictures) if isinstance(pictures, list) else self.engine.run([pictures])[0]

    def unbatch(self, output: list[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        return output

    def encode_response(self, output: npt.NDArray[np.float32]) -> Response:
        return Response(output.tobytes(), media_type="application/octet-stream")


def main() -> None:
    settings = PeerSettings.from_environment()
    api = DepthApi(max_batch_size=settings.max_batch, batch_timeout=0.0, api_path="/depth")
    server = litserve.LitServer(api, accelerator="cpu" if settings.device in ("auto", "cpu") else "auto", timeout=False)
    server.run(host="127.0.0.1", port=settings.port, num_api_servers=1, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
