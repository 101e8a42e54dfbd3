"""Images for the node, built by buildah without a container engine, and kept in the cache.

The base is Debian with Python, made on this machine from Debian's packages; elsewhere the Dockerfile's own default,
python:3.12-slim-bookworm, is its place. Nothing is pulled from a registry of images.
"""

import contextlib
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hack.node.programs import KUBERNETES, program

from chat4all_devtools import cache
from chat4all_devtools.stack.engine import need, run

ROOT: Final = Path(__file__).resolve().parents[2]
APP: Final = "localhost/chat4all"
PAUSE: Final = "localhost/pause:1"
_SUITE: Final = "bookworm"
BASE: Final = f"localhost/chat4all-base:{_SUITE}"
_PACKAGES: Final = "python3,python3-venv,ca-certificates"
_ADVICE: Final = "On Debian or Ubuntu: apt-get install buildah debootstrap"
_CERTIFICATES: Final = "/etc/ssl/certs"  # the machine's, for the packages that are fetched while an image is built
# What an image of a program needs least: what is read by people, and what packages are installed with.
_LEFT_OUT: Final = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/lib/apt/lists")


def have() -> None:
    """Have the pause image and the base in the cache. Raises StackError."""
    with cache.alone("node-images"):
        if not pause().exists():
            _build_pause()
        if not _base_mark().exists():
            _build_base()


def pause() -> Path:
    """The archive of the image that holds the namespaces of a pod."""
    return _folder() / f"pause-{KUBERNETES}.tar"


def archive(tag: str) -> Path:
    """The archive of the product's image with this tag."""
    return _folder() / f"chat4all-{tag}.tar"


def build(tag: str, context: Path = ROOT, *, base: str = BASE, dockerfile: str = "Dockerfile") -> Path:
    """Build the image of the product from its Dockerfile, and return its archive. Raises StackError."""
    into = archive(tag)
    name = f"{APP}:{tag}"
    with cache.alone("node-images"):
        options = ["--layers", "--build-arg", f"BASE={base}", "--volume", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"]
        _buildah("bud", "--isolation", "chroot", *options, "-t", name, "-f", str(context / dockerfile), str(context))
        into.unlink(missing_ok=True)
        _buildah("push", name, f"docker-archive:{into}:{name}")
    return into


def load(node: Path, file: Path) -> None:
    """Load an archive into a node's containerd. Raises StackError."""
    ctr = ["ctr", "--address", f"{node}/containerd.sock", "--namespace", "k8s.io", "images", "import"]
    run([*ctr, str(file)], cwd=node)


def _build_pause() -> None:
    with _scratch() as folder:
        shutil.copyfile(program("pause"), folder / "pause")
        (folder / "pause").chmod(0o755)
        (folder / "Containerfile").write_text('FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
        _buildah("bud", "--isolation", "chroot", "-t", PAUSE, str(folder))
        _buildah("push", PAUSE, f"docker-archive:{pause()}:{PAUSE}")


def _build_base() -> None:
    began = time.monotonic()
    sys.stderr.write(f"Building {BASE} from Debian's packages, a minute ...\n")
    with _scratch() as folder:
        root = folder / "root"
        bootstrap = [need("debootstrap", _ADVICE), "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(root)]
        run([*bootstrap, *_mirror()], cwd=folder)
        for name in _LEFT_OUT:
            shutil.rmtree(root / name, ignore_errors=True)
        for package in (root / "var" / "cache" / "apt").rglob("*.deb"):
            package.unlink()
        (folder / "Containerfile").write_text("FROM scratch\nCOPY root /\n")
        _buildah("bud", "--isolation", "chroot", "-t", BASE, str(folder))
    _base_mark().write_text(_PACKAGES)
    sys.stderr.write(f"Built it in {time.monotonic() - began:.0f} s\n")


def _mirror() -> list[str]:
    """Where this machine has its Debian packages from; nothing, where that is left to debootstrap."""
    sources = Path("/etc/apt")
    for file in sorted([*sources.glob("sources.list"), *sources.glob("sources.list.d/*")]):
        found = re.search(
            r"^(?:URIs:|deb)\s+(?:\[[^]]*]\s+)?(https?://\S*debian/?)(?:\s|$)", file.read_text(), re.MULTILINE
        )
        if found:
            return [found[1]]
    return []


def _buildah(*arguments: str) -> None:
    """Run buildah on a storage of our own, in a mount namespace of its own, with which its mounts go."""
    storage = ["--storage-driver", "overlay", "--root", str(_folder() / "storage")]
    buildah = [need("buildah", _ADVICE), *storage, "--runroot", str(_folder() / "run")]
    run(["unshare", "--mount", *buildah, *arguments], cwd=ROOT, environment={"BUILDAH_LAYERS": "true"})


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=_folder(), prefix="build-") as name:
        yield Path(name)


def _base_mark() -> Path:
    return _folder() / f"base-{_SUITE}"


def _folder() -> Path:
    return cache.folder("node", "images")
