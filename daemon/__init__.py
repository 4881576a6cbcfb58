"""depthwire.daemon."""
