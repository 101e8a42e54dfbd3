"""The gateway's process: `python -m apps.gateway` is `chat4all run gateway`."""

import sys

from chat4all.cli.app import main

if __name__ == "__main__":
    sys.argv[1:1] = ["run", "gateway"]
    main()
