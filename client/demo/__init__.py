"""depthwire.client.demo."""
