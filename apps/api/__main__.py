"""The API's process: `python -m apps.api` is `chat4all run api`."""

import sys

from chat4all.cli.app import main

if __name__ == "__main__":
    sys.argv[1:1] = ["run", "api"]
    main()
