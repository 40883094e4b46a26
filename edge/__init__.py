"""The WebSocket edge, the gateway into the log, and the HTTP API (`edge.api`)."""
