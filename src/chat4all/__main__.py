"""`python -m chat4all`: the same as the `chat4all` command."""

from chat4all.cli.app import main

if __name__ == "__main__":
    main()
