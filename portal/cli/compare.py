"""Comparing a folder's asset with what was published: what ``slipway asset check --against`` adds."""

from dataclasses import dataclass
from typing import Any

from catalog.assets.check import Checked
from catalog.assets.compatibility import Bump, Faces, Verdict, compare, predecessor, summary
from catalog.assets.compatibility.diff import bump_name, change_read
from catalog.assets.models import VersionState
from catalog.assets.versions import parse_version
from portal.cli.client import connect, segment
from portal.cli.errors import CommandError
from portal.cli.marketplace import split_reference
from portal.cli.output import Output

_STYLES = {Bump.MAJOR: "red", Bump.MINOR: "green", Bump.PATCH: "dim", Bump.NONE: "dim"}


@dataclass(frozen=True)
class Comparison:
    """What a comparison found, as the command shows it."""

    asset: str
    verdict: Verdict

    @property
    def before(self) -> str:
        """Return which version was compared with."""
        return f"{self.asset}@{self.verdict.before.semver}"

    @property
    def honest(self) -> str:
        """Return the lowest number that says what changed."""
        return self.verdict.honest.semver

    @property
    def is_refused(self) -> bool:
        """Tell whether publishing would be refused."""
        return self.verdict.is_refused

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON data."""
        return {
            "against": self.before,
            "needed": bump_name(self.verdict.needed),
            "made": bump_name(self.verdict.made),
            "honest": self.honest,
            "refused": self.is_refused,
            "changes": [
                {"side": each.side, **change_read(each).model_dump(mode="json")} for each in self.verdict.changes
            ],
        }

    def show(self, output: Output) -> None:
        """Print the changes, those that break first, and what they ask of the number."""
        output.line(f"Against {self.before}: {summary(self.verdict.changes)}.")
        for each in self.verdict.changes:
            place = f"{each.side}{each.pointer}"
            output.line(f"  {place}: {each.message}", style=_STYLES[each.bump])
        if self.verdict.is_modest:
            output.note(f"{self.honest} would say that there is something new.", style="yellow")


def compare_with(checked: Checked, against: str) -> Comparison:
    """Compare a checked package with a published version; raise ``CommandError`` where there is none."""
    package = checked.package
    if package is None:
        raise CommandError("The manifest cannot be read.")
    namespace, name, version = split_reference(against)
    path = f"/assets/{namespace}/{name}/versions"
    number = parse_version(package.manifest.metadata.version)
    with connect() as client:
        if not version:
            listed = client.items(path)
            found = predecessor(
                number, ((parse_version(each["version"]), VersionState(each["state"])) for each in listed)
            )
            if found is None:
                raise CommandError(
                    f"{namespace}/{name} has no version below {number.semver} to compare with.",
                    "Name one: --against NS/NAME@VERSION.",
                )
            version = found.canonical
        published = client.get(f"{path}/{segment(version)}")
    before = Faces.of(published["manifest"], published["input_schema"], published["output_schema"])
    after = Faces.of(package.document.value, package.input_schema, package.output_schema)
    verdict = Verdict(parse_version(published["version"]), number, compare(before, after))
    return Comparison(f"{namespace}/{name}", verdict)
