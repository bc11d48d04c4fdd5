#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2024.4"]
# ///
"""Tasks: `nox` runs those of every commit, `nox --list` names all."""

import nox

nox.needs_version = ">=2024.4"
nox.options.default_venv_backend = "uv|virtualenv"


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    session.install("ruff>=0.6")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types."""
    session.install("-e", ".[test]")
    session.run("mypy")


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """The tests; arguments after -- go to pytest."""
    session.install("-e", ".[test,exact,cli,cluster]")
    session.run("pytest", "-n", "auto", "--dist", "worksteal", "-m", "", *session.posargs)


@nox.session(venv_backend="none", default=False)
def oldest(session: nox.Session) -> None:
    """A part of the tests on the oldest declared dependencies."""
    session.run("bash", ".ci/oldest", external=True)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """The site, in docs/_build."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "docs", "docs/_build")


@nox.session(venv_backend="none", default=False)
def package(session: nox.Session) -> None:
    """Wheel and source archive in dist/, installed and tested outside the checkout."""
    session.run("bash", ".ci/fresh", external=True)


@nox.session(default=False)
def review(session: nox.Session) -> None:
    """What scientific Python expects of a repository."""
    session.install("sp-repo-review[cli]>=2025.1")
    session.run("sp-repo-review", ".")


@nox.session(default=False)
def sbom(session: nox.Session) -> None:
    """A bill of materials, CycloneDX, of an installation with its dependencies: dist/refkan.cdx.json."""
    session.install(".", "cyclonedx-bom>=5")
    session.run("cyclonedx-py", "environment", "--output-file", "dist/refkan.cdx.json")


if __name__ == "__main__":
    nox.main()
