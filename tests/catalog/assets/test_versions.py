"""Which versions are accepted, how they are ordered, and what constraints allow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from catalog.assets.errors import InvalidConstraintError, InvalidVersionError
from catalog.assets.versions import (
    VersionNumber,
    allows,
    canonical_constraint,
    names_prerelease,
    newest,
    parse_constraint,
    parse_version,
    pinned_version,
)

NUMBERS = st.integers(min_value=0, max_value=999_999_999)
FINALS = st.builds(VersionNumber, NUMBERS, NUMBERS, NUMBERS)
PRERELEASES = st.builds(VersionNumber, NUMBERS, NUMBERS, NUMBERS, st.integers(0, 2), NUMBERS)
VERSIONS = FINALS | PRERELEASES


@given(VERSIONS)
def test_both_spellings_read_back_as_the_same_version(version: VersionNumber) -> None:
    assert parse_version(version.canonical) == version
    assert parse_version(version.semver) == version


@given(VERSIONS)
def test_the_canonical_text_is_what_packaging_makes_of_either_spelling(version: VersionNumber) -> None:
    assert str(Version(version.canonical)) == version.canonical
    assert str(Version(version.semver)) == version.canonical


@given(VERSIONS, VERSIONS)
def test_the_integer_columns_order_as_pep_440_does(one: VersionNumber, other: VersionNumber) -> None:
    assert (one < other) == (Version(one.canonical) < Version(other.canonical))
    assert (one.sort_key < other.sort_key) == (one < other)


def test_stages_come_in_the_order_alpha_beta_rc_final() -> None:
    texts = ["1.0.0-alpha.9", "1.0.0-beta.1", "1.0.0-rc.1", "1.0.0", "1.0.1-alpha.0"]
    assert sorted(texts, key=parse_version) == texts


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("1.0.0-1", "1.0.0-rc.N"),
        ("1.0.0+build", "Drop it: 1.0.0"),
        ("1!1.0.0", "Drop it: 1.0.0"),
        ("1.0.0.post1", "Raise the patch"),
        ("1.0.0.dev1", "1.0.0-alpha.N"),
        ("1.2", "Write 1.2.0"),
        ("1", "Write 1.0.0"),
        ("v1.2.3", "Write 1.2.3"),
        ("1.0.0-SNAPSHOT", "1.0.0-rc.N"),
        ("1.0.0-alpha.beta", "1.0.0-alpha.N"),
        ("1.0.0-x.7.z.92", "1.0.0-alpha.N"),
        ("1.0.0-alpha", "1.0.0-alpha.N"),
        ("1.0.0-rc1", "1.0.0-rc.N"),
        ("1.0.0RC1", "lower case"),
        ("01.0.0", "zeros"),
        ("1.0.0-rc.01", "zeros"),
        ("1.2.3.4", "Write 1.2.3"),
        (" 1.0.0", "spaces"),
        ("1.0.0\n", "spaces"),
        ("", "1.0.0"),
        ("latest", "three numbers"),
        ("\u0661.0.0", "three numbers"),
        ("1234567890.0.0", "smaller"),
        ("1" * 5000, "N.N.N"),
    ],
)
def test_every_refused_form_says_the_fix(text: str, fix: str) -> None:
    with pytest.raises(InvalidVersionError) as refusal:
        parse_version(text)
    assert fix in refusal.value.detail
    assert refusal.value.errors[0].pointer == "/version"


@given(st.text(max_size=20))
def test_what_is_accepted_has_one_canonical_text(text: str) -> None:
    try:
        version = parse_version(text)
    except InvalidVersionError:
        return
    assert text in {version.canonical, version.semver}


@pytest.mark.parametrize("text", ["^1.2", "~1.2", "1.x", "*", "1.2.3", ">=1.2 <2", "===1.0.0", "latest"])
def test_spellings_of_other_ecosystems_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidConstraintError, match=r"not accepted as a constraint.*Write"):
        parse_constraint(text)


def test_a_constraint_has_one_spelling() -> None:
    assert canonical_constraint(parse_constraint(" <2 , >=1.2 ")) == ">=1.2,<2"


@given(PRERELEASES)
def test_prereleases_are_never_allowed_unless_asked_for(version: VersionNumber) -> None:
    for text in ("", ">=0.0.0", f"<={version.major + 1}.0"):
        assert not allows(parse_constraint(text), version, prereleases=False)
    assert allows(parse_constraint(""), version, prereleases=True)


def test_an_upper_bound_excludes_the_prereleases_of_the_bound() -> None:
    assert not allows(parse_constraint("<2"), parse_version("2.0.0-rc.1"), prereleases=True)


def test_newest_takes_prereleases_only_where_the_constraint_names_one() -> None:
    versions = [parse_version(text) for text in ("1.0.0", "1.1.0", "1.2.0-rc.1")]
    assert newest(parse_constraint(">=1"), versions) == parse_version("1.1.0")
    assert newest(parse_constraint(">=1.2.0rc1"), versions) == parse_version("1.2.0-rc.1")
    assert newest(parse_constraint(">=3"), versions) is None
    assert names_prerelease(parse_constraint("==1.2.0rc1"))
    assert not names_prerelease(parse_constraint("==1.2.*"))


def test_a_pin_is_a_single_exact_clause() -> None:
    assert pinned_version(parse_constraint("==1.4.0rc1")) == parse_version("1.4.0-rc.1")
    for text in ("", "==1.4.*", ">=1.4.0", "==1.4.0,<2", "==1.4"):
        assert pinned_version(parse_constraint(text)) is None
