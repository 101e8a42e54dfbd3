"""Resolve pyproject.toml into requirements/*.lock: versions and hashes for every platform, and no index named.

`python hack/lock.py [--upgrade]`; `make lock` calls it, `hack/drift.py` asks it whether the locks still fit.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
STACK = ROOT / "src" / "chat4all_devtools" / "stack"
COMMON = ["--universal", "--python-version=3.11", "--generate-hashes", "--no-header", "--no-emit-index-url", "--quiet"]


PRODUCT = ("pyproject.toml", "requirements/build.in")


def resolve(into: Path, *extra: str, inputs: Sequence[str] = PRODUCT) -> None:
    """Write one lock; versions already in it stay unless `--upgrade` is given.

    Raises subprocess.CalledProcessError where nothing satisfies the inputs; uv says why on stderr.
    """
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "compile", *COMMON, *inputs, *extra, "-o", into], cwd=ROOT, check=True)


def main(arguments: list[str]) -> None:
    """Write the locks: of the embedded system, of that on engines, of that and what tests it; of the image, which has
    nothing to install packages with, and of what it is built with; and of Go."""
    resolve(LOCKS / "embedded.lock", "--extra=embedded", *arguments)
    engines = ["--extra=distributed", f"--constraints={LOCKS / 'embedded.lock'}"]
    resolve(LOCKS / "distributed.lock", *engines, *arguments)
    both = ["--extra=distributed", "--group=dev", f"--constraints={LOCKS / 'distributed.lock'}"]
    resolve(LOCKS / "dev.lock", *both, *arguments)
    same = f"--constraints={LOCKS / 'distributed.lock'}"
    resolve(LOCKS / "image.lock", "--extra=distributed", same, *arguments, inputs=["pyproject.toml"])
    resolve(LOCKS / "image-build.lock", same, *arguments, inputs=["requirements/image-build.in"])
    resolve(STACK / "go.lock", *arguments, inputs=["requirements/go.in"])


if __name__ == "__main__":
    main(sys.argv[1:])
