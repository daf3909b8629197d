"""HTTP/1.1 on sockets, both sides of it: framing, keep-alive, flow control. It knows nothing of MCP."""
