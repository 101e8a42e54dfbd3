"""Programs for the Java virtual machine, from Maven Central, resolved by Maven itself."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chat4all_devtools import cache
from chat4all_devtools.stack.engine import need, run

_JAVA: Final = "On Debian or Ubuntu: apt-get install openjdk-17-jre-headless maven"
_POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>chat4all</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>{dependencies}</dependencies></project>
"""
_DEPENDENCY: Final = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def fetch(into: Path, *coordinates: str) -> None:
    """Have the jars of `group:artifact:version` and all they need in this folder. Raises StackError."""
    need("java", _JAVA)
    with cache.alone(into.name):
        if not into.exists():
            _resolve(into, coordinates)


def _resolve(into: Path, coordinates: Sequence[str]) -> None:
    maven = need("mvn", _JAVA)
    partial = into.with_name(f"{into.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    dependencies = "".join(_DEPENDENCY.format(*one.split(":")) for one in coordinates)
    (partial / "pom.xml").write_text(_POM.format(dependencies=dependencies))
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={partial}", "-DincludeScope=runtime"]
    run([maven, "-q", "-B", *goal], cwd=partial)
    partial.replace(into)
