"""A real Kubernetes node in the background: `python -m hack.node up|down|status|image`."""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from hack.node import components, images, programs
from hack.node.node import Node

from chat4all_devtools import cache
from chat4all_devtools.stack.engine import StackError

DEFAULT: Final = Path(".node")


def up(node: Node) -> None:
    """Build what is missing, start it, and say how to use it."""
    began = time.monotonic()
    node.install()
    ready = time.monotonic()
    node.start()
    version = node.wait()
    ingress = f"http://{components.ADDRESS}:{components.INGRESS_PORT}"
    print(f"Kubernetes {version} is ready after {time.monotonic() - ready:.0f} s; Ingress class contour on {ingress}")
    if ready - began > 1:
        print(f"Built before that, in {ready - began:.0f} s, and kept in {cache.folder('node')}")
    print("It is in a network of its own. A shell there, in which kubectl and helm talk to it:")
    print(f"  export KUBECONFIG={node.kubeconfig} PATH={node.programs}:$PATH")
    print(f"  {' '.join(node.entrance())} bash")


def status(node: Node) -> int:
    """One line, and the pods; 1 if it is not well."""
    if node.pid is None:
        print("not running")
        return 1
    try:
        print(f"Kubernetes {node.version()} is ready, process {node.pid}, log {node.folder / 'log'}")
        print(node.kubectl("get", "pods", "--all-namespaces"))
    except (subprocess.SubprocessError, OSError) as error:
        print(f"does not answer: {error}")
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Do as the command line says; 1 where that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m hack.node", description=__doc__)
    parser.add_argument("command", choices=["build", "up", "down", "status", "image", "path"])
    parser.add_argument("--folder", type=Path, default=DEFAULT, help="where the node lives (default: .node)")
    parser.add_argument("--tag", default="dev", help="of the image that is built and loaded (default: dev)")
    given = parser.parse_args(arguments)
    node = Node(given.folder.resolve())
    try:
        match given.command:
            case "build":
                node.install()
            case "up":
                up(node)
            case "path":
                node.install()
                programs.link(cache.folder("node", "bin"))
                print(cache.folder("node", "bin"))
            case "status":
                return status(node)
            case "image":
                images.load(node.folder, images.build(given.tag))
                print(f"{images.APP}:{given.tag} is on the node")
            case _:
                node.stop()
                print("It is gone, and everything that was in it. What was built stays in the cache.")
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
