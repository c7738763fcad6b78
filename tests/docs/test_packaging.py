"""What the archives hold, and that the lists of versions which have to agree do so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest

import cascade as cs

pytestmark = pytest.mark.long

ROOT = next(place for place in Path(__file__).parents if (place / "pyproject.toml").exists())
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RELEASE_CHECK = ROOT / ".ci" / "release-check"

# Tracked, and of no use without the repository.
NOT_IN_THE_SDIST = re.compile(r"\.github/|\.gitignore$|\.pre-commit-config\.yaml$")


def tracked() -> list[str]:
    """The files of the repository; the test is skipped where there is none."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs the repository")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def build(kind: str, place: Path) -> Path:
    """Build an archive of a copy of the tracked files, without compiling anything."""
    names = tracked()
    for module in ("build", "Cython", "setuptools"):
        pytest.importorskip(module, reason="needs the extra dev")
    for name in names:
        (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place / "source" / name)
    # What builds and tests leave there must not get in.
    for name in ("lazy.c", "lazy.cpython-311-x86_64-linux-gnu.so", "__pycache__/x.cpython-311.pyc"):
        left = place / "source" / "cascade" / "_core" / "expr" / name
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(b"")
    command = [sys.executable, "-P", "-m", "build", "--no-isolation", f"--{kind}"]
    subprocess.run(
        [*command, "--outdir", place / "dist", place / "source"],
        env={**os.environ, "CASCADE_EXTENSIONS": "0"},
        capture_output=True,
        check=True,
        timeout=120,
    )
    (archive,) = (place / "dist").iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel: those of the one that is installed, or else of one that is built without its extensions."""
    installed = distribution("cascade-engine")
    names = {str(path).replace(os.sep, "/") for path in installed.files or []}
    if "cascade/__init__.py" in names:
        return names
    with zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        return set(archive.namelist())


def sources(*suffixes: str) -> set[str]:
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "cascade").rglob("*") if path.suffix in suffixes}
    assert found, f"there is no {suffixes} in {ROOT}"
    return found


def test_a_wheel_holds_every_module_stub_and_declaration(wheel: set[str]) -> None:
    assert sources(".py", ".pyi", ".pxd", ".typed") - wheel == set()


def test_a_wheel_holds_no_sources_of_the_core_and_nothing_but_the_package(wheel: set[str]) -> None:
    assert [name for name in wheel if name.endswith((".pyx", ".c", ".html"))] == []
    tops = {name.split("/")[0] for name in wheel if not name.startswith("..")}  # "..": the script `cascade`
    assert {top for top in tops if not top.endswith(".dist-info")} == {"cascade"}


def test_every_compiled_module_is_there() -> None:
    for name in sources(".pyx"):
        found = find_spec(name.removesuffix(".pyx").replace("/", "."))
        assert found is not None and found.origin is not None, name
        assert found.origin.endswith((".so", ".pyd")), found.origin


def test_every_compiled_module_is_built() -> None:
    listed = set(re.findall(r'^    "(cascade\._core\..+)",$', (ROOT / "setup.py").read_text(), re.MULTILINE))
    assert listed == {name.removesuffix(".pyx").replace("/", ".") for name in sources(".pyx")}


def test_an_sdist_holds_the_repository_and_nothing_that_was_built(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()}
    assert {name for name in tracked() if not NOT_IN_THE_SDIST.match(name)} - names == set()
    made = {"PKG-INFO", "setup.cfg"}
    assert {name for name in names - made if ".egg-info/" not in name} <= set(tracked())


def test_the_supported_pythons_are_the_same_everywhere() -> None:
    supported = re.search(r'^supported="(.+)"$', (ROOT / ".ci" / "pythons").read_text(), re.MULTILINE)
    assert supported is not None
    pythons = supported[1].split()
    language = "Programming Language :: Python :: "
    classifiers = [name.removeprefix(language) for name in SETTINGS["project"]["classifiers"]]
    assert [name for name in classifiers if name.startswith("3.")] == pythons
    assert SETTINGS["tool"]["cibuildwheel"]["build"] == [f"cp{name.replace('.', '')}-*" for name in pythons]
    workflow = ROOT / ".github" / "workflows" / "tests.yml"
    if workflow.exists():  # not in an sdist
        matrix = ", ".join(f'"{name}"' for name in pythons)
        assert f"        python: [{matrix}]\n" in workflow.read_text()


def test_a_workflow_has_no_rights_by_default_and_pins_what_it_uses() -> None:
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    if not workflows:
        pytest.skip("not in an sdist")
    for path in workflows:
        text = path.read_text()
        assert "\npermissions: {}\n" in text, path
        for used in re.findall(r"uses: (\S+)", text):
            assert used.startswith("./") or re.search(r"@[0-9a-f]{40}$", used), f"{used} - at {path}"


def release_problems(root: Path, tag: str) -> list[str]:
    code = compile(RELEASE_CHECK.read_text(encoding="utf-8"), str(RELEASE_CHECK), "exec")
    module: dict[str, object] = {"__name__": "release_check", "__file__": str(RELEASE_CHECK)}
    exec(code, module)
    return module["problems"](root, tag)  # type: ignore[operator,no-any-return]


def test_a_release_needs_a_date_a_home_and_one_version_everywhere(tmp_path: Path) -> None:
    (tmp_path / "cascade").mkdir()

    def write(version: str, cited: str, heading: str, url: str) -> None:
        (tmp_path / "cascade" / "_version.py").write_text(f'"""Version."""\n\n__version__ = "{version}"\n')
        (tmp_path / "CITATION.cff").write_text(f'type: software\nversion: "{cited}"\nlicense: Apache-2.0\n')
        (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n## {heading}\n\nText.\n")
        (tmp_path / "pyproject.toml").write_text(f'[project.urls]\nSource = "{url}"\n')

    write("1.2.0", "1.2.0", "1.2.0 (2027-01-31)", "https://home.test/cascade")
    assert release_problems(tmp_path, "v1.2.0") == []
    assert release_problems(tmp_path, "1.2.0") == ["tag must be v1.2.0, the version in cascade/_version.py, got 1.2.0"]
    write("1.2.0", "1.1.0", "1.2.0 (not released)", "https://cascade.example/changes")
    assert [problem.split(" must ")[0] for problem in release_problems(tmp_path, "v1.2.0")] == [
        "CITATION.cff",
        "CHANGELOG.md",
        "project.urls.Source in pyproject.toml",
    ]


def test_the_release_check_can_read_the_project() -> None:
    problems = release_problems(ROOT, f"v{cs.__version__}")
    assert not [problem for problem in problems if problem.startswith(("tag", "CITATION"))]
