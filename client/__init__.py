"""depthwire.client."""
