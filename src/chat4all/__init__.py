"""Chat4All: a messaging hub in which no accepted message is lost, doubled or reordered."""

from importlib import metadata

__version__ = metadata.version("chat4all")
