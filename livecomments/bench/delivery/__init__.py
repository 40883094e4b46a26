"""What one delivery costs: servers that write one frame to many sockets, measured side by side.

Each server is a process of its own (`servers`, `peers`), the sockets are held by another (`sockets`), and
what counts is the server's own CPU time, as the kernel has it, over the frames that arrived.
"""
