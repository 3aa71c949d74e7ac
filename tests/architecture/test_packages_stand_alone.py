"""Each package is typed, versioned in step with the others, and importable with what it declares and no more."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from support.checkout import PACKAGES, ROOT, metadata

# Distribution name to import names, for what the packages may declare.
MODULES = {
    "attrs": {"attr", "attrs"},
    "click": {"click"},
    "platformdirs": {"platformdirs"},
    "pyyaml": {"yaml", "_yaml"},
    "tomlkit": {"tomlkit"},
    "watchdog": {"watchdog"},
} | {name: {name.replace("-", "_")} for name in PACKAGES}

# Imports every module of one package where only the standard library and the given top-level names can be found.
IMPORT_ALL = """
import importlib, pkgutil, sys
package, *allowed = sys.argv[1:]
allowed = {*allowed, *sys.stdlib_module_names}

class Fence:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"{name} is not declared by this package", name=name)

sys.meta_path.insert(0, Fence())
root = importlib.import_module(package)
for module in pkgutil.walk_packages(root.__path__, package + "."):
    # Running it is its import; and pytest support is for those who have pytest.
    if not module.name.endswith((".__main__", ".testing", ".pytest_plugin")):
        importlib.import_module(module.name)
"""


def declared(package: str) -> set[str]:
    """The import names that `package` may use, its dependencies' dependencies included."""
    names = {package.replace("-", "_")}
    requirements = metadata(package)["dependencies"]
    assert isinstance(requirements, list)
    for requirement in requirements:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        names |= declared(name) if name in PACKAGES else MODULES[name]
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_with_only_what_it_declares(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORT_ALL, package.replace("-", "_"), *sorted(declared(package))],
        capture_output=True,
        text=True,
        check=False,
        env={},  # no coverage either: it would be an undeclared import
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (PACKAGES[package] / "py.typed").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_pins_its_siblings_to_its_own_version(package: str) -> None:
    project = metadata(package)
    requirements = project["dependencies"]
    assert isinstance(requirements, list)
    siblings = [text for text in requirements if text.startswith(tuple(PACKAGES))]
    assert all(text.endswith(f"=={project['version']}") for text in siblings), siblings


def test_every_version_is_the_changelogs_newest() -> None:
    heading = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heading is not None
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    versions = {name: metadata(name)["version"] for name in PACKAGES} | {"workspace": workspace}
    assert set(versions.values()) == {heading[1]}, versions
