"""The command line, the local stack, the load test and the checker of livecomments."""

__version__ = "0.1.0"
