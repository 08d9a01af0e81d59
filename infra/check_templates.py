"""cfn-lint, `sam validate --lint` and checkov on every template: `python -m infra.check_templates`.

What checkov finds must stand in infra/checkov/baseline.yaml with a reason, and what stands there must still be found.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from infra.local.cloud import ROOT
from infra.local.commands import dummy_aws
from infra.tools import tool

BASELINE = ROOT / "infra/checkov/baseline.yaml"


class Finding(NamedTuple):
    check: str
    template: str
    resource: str


def main() -> int:
    paths = templates()
    problems = [*lint(paths), *validate(paths), *review(scan(paths), baseline(BASELINE))]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(paths)} templates: {len(problems) or 'no'} problems by cfn-lint, sam validate and checkov")
    return 1 if problems else 0


def templates() -> list[Path]:
    return [ROOT / "template.yaml", *sorted((ROOT / "infra").glob("*.yaml"))]


def lint(paths: Iterable[Path]) -> list[str]:
    return said([Path(sys.executable).with_name("cfn-lint"), *paths])


def validate(paths: Iterable[Path]) -> list[str]:
    sam = tool("sam")
    return [line for path in paths for line in said([sam, "validate", "--lint", "--template-file", path])]


def said(command: Sequence[Path | str]) -> list[str]:
    """What a failing program says, on one line a problem; nothing where it succeeds."""
    done = subprocess.run(command, cwd=ROOT, env=quietly(), capture_output=True, text=True, check=False)
    return [f"{Path(command[0]).name}: {done.stdout}{done.stderr}".strip()] if done.returncode else []


def quietly() -> dict[str, str]:
    return {**dummy_aws(), "SAM_CLI_TELEMETRY": "0", "LOG_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore"}


def scan(paths: Iterable[Path]) -> set[Finding]:
    files = [part for path in paths for part in ("--file", str(path.relative_to(ROOT)))]
    manner = ["--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "--output", "json"]
    command = [str(tool("checkov")), *files, *manner]
    done = subprocess.run(command, cwd=ROOT, env=quietly(), capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise RuntimeError(f"checkov said nothing: {done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    if report["summary"]["parsing_errors"]:
        raise RuntimeError(f"checkov can't read {report['summary']['parsing_errors']} of the templates")
    return {
        Finding(failed["check_id"], failed["file_path"].lstrip("/"), failed["resource"].rpartition(".")[2])
        for failed in report["results"]["failed_checks"]
    }


def baseline(path: Path) -> dict[Finding, str]:
    """Why each known finding stays. Raises ValueError for one without a reason."""
    known = {}
    for entry in yaml.safe_load(path.read_text()):
        if len(entry.get("why", "").split()) < 3:
            raise ValueError(f"{path}: {entry['check']} needs a reason")
        for place in entry["found"]:
            template, _, resource = place.partition(" ")
            known[Finding(entry["check"], template, resource)] = entry["why"]
    return known


def review(found: set[Finding], known: dict[Finding, str]) -> list[str]:
    """
    >>> review({Finding("CKV_1", "a.yaml", "Queue")}, {})
    ['checkov: CKV_1 at Queue of a.yaml: mend it, or say why not in infra/checkov/baseline.yaml']
    >>> review(set(), {Finding("CKV_2", "a.yaml", "Table"): "a reason that it had"})
    ['checkov: CKV_2 at Table of a.yaml is not found any more: take it out of infra/checkov/baseline.yaml']
    """
    where = BASELINE.relative_to(ROOT)
    new = [f"{text(one)}: mend it, or say why not in {where}" for one in sorted(found - set(known))]
    old = [f"{text(one)} is not found any more: take it out of {where}" for one in sorted(set(known) - found)]
    return new + old


def text(finding: Finding) -> str:
    return f"checkov: {finding.check} at {finding.resource} of {finding.template}"


if __name__ == "__main__":
    sys.exit(main())
