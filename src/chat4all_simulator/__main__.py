"""`python -m chat4all_simulator`: the same as `chat4all simulator`."""

from chat4all_simulator.command import main

if __name__ == "__main__":
    main()
