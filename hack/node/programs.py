"""The node's programs, built once from their published Go modules into the cache that all clones share.

Each is in a folder named after its version, so that a newer pin is built beside the older one. Kubernetes itself and
the chart's test tools are Go modules of ours (`kubernetes/`, `charttools/`) with checksums; the others are installed as
`go install` does it.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chat4all_devtools import cache
from chat4all_devtools.stack import go
from chat4all_devtools.stack.engine import StackError, run

HERE: Final = Path(__file__).resolve().parent
KUBERNETES: Final = "1.34.4"
_COMPONENTS: Final = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl", "pause"),
)
_SMALL: Final = "-s -w"
# Helm's library learns only from its Makefile which Kubernetes it was made for; a chart's kubeVersion asks for that.
_HELM: Final = f"{_SMALL} -X {{0}}.k8sVersionMajor=1 -X {{0}}.k8sVersionMinor={KUBERNETES.split('.')[1]}".format(
    "helm.sh/helm/v3/pkg/chartutil"
)
_LINKER: Final = "-s -w -X {0}.gitVersion=v{1} -X {0}.gitMajor=1 -X {0}.gitMinor={2}"


class Module(NamedTuple):
    """A published Go module, and the program in it."""

    name: str
    path: str
    version: str
    package: str = ""


_HELM_MODULE: Final = Module("helm", "helm.sh/helm/v3", "v3.22.0", "/cmd/helm")
PROGRAMS: Final = (
    Module("coredns", "github.com/coredns/coredns", "v1.15.0"),
    Module("metrics-server", "sigs.k8s.io/metrics-server", "v0.9.0", "/cmd/metrics-server"),
    _HELM_MODULE,
    Module("contour", "github.com/projectcontour/contour", "v1.33.8", "/cmd/contour"),
    Module("helm-docs", "github.com/norwoodj/helm-docs", "v1.14.2", "/cmd/helm-docs"),
)
_GATEWAY_API: Final = (Module("gateway-api", "sigs.k8s.io/gateway-api", "v1.6.3"), "config/crd/standard/*.yaml")
# Resource definitions that the node has beside its own, as files of modules.
_DEFINITIONS: Final = (
    (PROGRAMS[3], "examples/contour/01-crds.yaml"),
    _GATEWAY_API,
    (Module("keda", "github.com/kedacore/keda/v2", "v2.21.0"), "config/crd/bases/*.yaml"),
    (
        Module("prometheus-operator", "github.com/prometheus-operator/prometheus-operator", "v0.85.0"),
        "example/prometheus-operator-crd/*.yaml",
    ),
)


# What skaffold publishes about its own configuration.
_SKAFFOLD: Final = (
    Module("skaffold", "github.com/GoogleContainerTools/skaffold/v2", "v2.16.1"),
    "docs-v2/content/en/schemas/v4beta13.json",
)


def have() -> None:
    """Build what is missing, and say what and how long it takes. Raises StackError."""
    have_control_plane()
    for module in PROGRAMS:
        _build(f"{module.name}-{module.version}", f"{module.name} {module.version}, a minute", _installed, module)
    _build("charttools", "helm-unittest and a reader of kind's configuration, a minute", _chart_tools)
    for module, files in (*_DEFINITIONS, _SKAFFOLD):
        _definitions(module, files)


def have_control_plane() -> None:
    """The same for what a control plane and its tests need: Kubernetes, helm, the Gateway API. Raises StackError."""
    _build(f"kubernetes-{KUBERNETES}", "the Kubernetes components, five minutes", _kubernetes)
    _build(f"{_HELM_MODULE.name}-{_HELM_MODULE.version}", "helm, a minute", _installed, _HELM_MODULE)
    _definitions(*_GATEWAY_API)


def _definitions(module: Module, files: str) -> None:
    _build(f"definitions-{module.name}-{module.version}", f"the definitions of {module.name}", _copied, module, files)


def folders() -> Sequence[Path]:
    """The folders that have the programs."""
    names = [f"kubernetes-{KUBERNETES}", "charttools", *(f"{one.name}-{one.version}" for one in PROGRAMS)]
    return [_folder(name) for name in names]


def program(name: str) -> Path:
    """Where a program of the node is. Raises FileNotFoundError where it has not been built."""
    for folder in folders():
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(name)


def link(into: Path) -> None:
    """Have links to all of them in one folder, for a PATH."""
    into.mkdir(parents=True, exist_ok=True)
    for one in (file for folder in folders() for file in folder.iterdir()):
        (into / one.name).unlink(missing_ok=True)
        (into / one.name).symlink_to(one)


def definitions() -> list[Path]:
    """The files with resource definitions that the node has beside its own."""
    return sorted(file for module, _ in _DEFINITIONS for file in _defined(module))


def gateway_api() -> list[Path]:
    """The files with resource definitions of the Gateway API."""
    return sorted(_defined(_GATEWAY_API[0]))


def _defined(module: Module) -> Iterator[Path]:
    return _folder(f"definitions-{module.name}-{module.version}").iterdir()


def skaffold_schema() -> Path:
    """The JSON schema of skaffold.yaml."""
    [file] = _folder(f"definitions-{_SKAFFOLD[0].name}-{_SKAFFOLD[0].version}").iterdir()
    return file


def _folder(name: str) -> Path:
    return cache.folder("node") / name


def _build(name: str, about: str, build: Callable[..., None], *given: Module | str) -> None:
    """Have a folder of this name in the cache: whole, or not at all."""
    folder = _folder(name)
    with cache.alone(f"node-{name}"):
        if folder.exists():
            return
        sys.stderr.write(f"Building {about} ...\n")
        began, partial = time.monotonic(), folder.with_name(f"{name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        build(partial, *given)
        partial.replace(folder)
        sys.stderr.write(f"Built {name} in {time.monotonic() - began:.0f} s\n")


def _kubernetes(into: Path) -> None:
    minor = KUBERNETES.split(".")[1]
    linker = _LINKER.format("k8s.io/component-base/version", KUBERNETES, minor)
    packages = [f"./cmd/{one}" for one in _COMPONENTS]
    _go("build", "-trimpath", "-ldflags", linker, "-o", f"{into}/", *packages, folder=HERE / "kubernetes")


def _installed(into: Path, module: Module) -> None:
    named = f"{module.path}{module.package}@{module.version}"
    _go(
        "install",
        "-trimpath",
        "-ldflags",
        _HELM if module.name == "helm" else _SMALL,
        named,
        folder=into,
        GOBIN=str(into),
    )


def _chart_tools(into: Path) -> None:
    folder = HERE / "charttools"
    unittest = "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"
    _go("build", "-trimpath", "-ldflags", _HELM, "-o", f"{into}/", unittest, "./kindconfig", folder=folder)


def _copied(into: Path, module: Module, files: str) -> None:
    said = subprocess.run(
        [go.program(), "mod", "download", "-json", f"{module.path}@{module.version}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=into,
    )
    if said.returncode:
        raise StackError(f"{module.name} {module.version} cannot be fetched: {said.stdout[-500:]}{said.stderr[-500:]}")
    for file in Path(json.loads(said.stdout)["Dir"]).glob(files):
        if file.name != "kustomization.yaml":
            shutil.copyfile(file, into / file.name)


def _go(*arguments: str, folder: Path, **environment: str) -> None:
    run(
        [go.program(), *arguments],
        cwd=folder,
        environment={"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", **environment},
    )
