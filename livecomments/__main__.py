"""``python -m livecomments``: how the local stack starts its own processes."""

from livecomments.cli import main

if __name__ == "__main__":
    main()
