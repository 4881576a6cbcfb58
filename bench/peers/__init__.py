"""Comparison servers: depth over HTTP the way a lab builds it today, each one file; `compare` starts them."""
