"""The benchmark: Chat4All as a black box, each figure beside a floor that was measured in the same run."""
