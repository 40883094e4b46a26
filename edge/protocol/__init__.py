"""The Centrifuge client protocol, without I/O: bytes to commands, results to bytes, one session's rules."""
