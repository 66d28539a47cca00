"""Room is counted measure by measure, and secrets are taken away by name; both pure."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from catalog.assets.blueprint_spec import parse_spec
from catalog.assets.inputs import HIDDEN
from catalog.environments.room import in_words, lacking, size_of
from catalog.environments.withholding import withheld_names, without
from catalog.settings import Settings

SIZES = st.fixed_dictionaries(
    {"environments": st.just(1), "memory_mb": st.integers(16, 4096), "processes": st.integers(1, 512)}
)
SPEC = parse_spec(
    {
        "spec": {
            "targets": ["local"],
            "environment": {
                "components": {
                    "web": {
                        "type": "process",
                        "source": "${source.revision}",
                        "procfile": "web",
                        "env": {
                            "TOKEN": "x ${inputs.token}",
                            "NESTED": "${inputs.db.password}",
                            "PLAIN": "${inputs.a}",
                        },
                        "limits": {"memoryMb": 100, "processes": 5},
                    },
                    "worker": {"type": "process", "source": "${source.revision}", "command": "work"},
                },
                "outputs": {"url": "${web.url}"},
            },
        }
    }
)


def settings(**limits: int) -> Settings:
    return Settings.model_validate({"data_dir": Path("/nowhere"), **limits})


@given(used=st.lists(SIZES, max_size=6), size=SIZES, quota=st.integers(1, 6), memory=st.integers(16, 8192))
def test_there_is_room_exactly_where_every_sum_is_within_its_limit(
    used: list[dict[str, int]], size: dict[str, int], quota: int, memory: int
) -> None:
    allowed = settings(environment_quota=quota, environment_quota_memory_mb=memory)
    fits = len(used) + 1 <= quota and sum(each["memory_mb"] for each in [*used, size]) <= memory
    assert (lacking(allowed, size, used) == "") is fits
    if lacking(allowed, size):
        assert lacking(allowed, size, used), "what can never fit does not fit now"


def test_the_size_is_the_sum_of_the_limits_and_one_from_before_counts_as_one() -> None:
    assert size_of(SPEC) == {"environments": 1, "memory_mb": 1124, "processes": 261}
    allowed = settings(environment_quota=1, environment_quota_processes=10)
    assert "in use" in lacking(allowed, {}, [{}])
    assert "processes" in lacking(allowed, {"environments": 1, "processes": 11})


def test_secrets_are_taken_away_and_all_that_holds_them_is_named() -> None:
    shown = {"token": HIDDEN, "db": {"password": HIDDEN, "host": "db"}, "a": "b"}
    whole = {"token": "t", "db": {"password": "p", "host": "db"}, "a": "b"}
    assert withheld_names(SPEC, shown) == ["token", "db.password", "web: TOKEN", "web: NESTED"]
    assert without(whole, shown) == {"db": {"host": "db"}, "a": "b"}
    assert whole["token"] == "t", "what was given stays as it was"


def test_a_component_of_a_package_takes_room_for_what_it_may_run() -> None:
    parts = {"type": "component", "uses": "acme/things", "component": "Shelf"}
    raw = SPEC.model_dump(mode="json", by_alias=True, exclude_unset=True)
    raw["environment"]["components"]["store"] = parts
    assert size_of(parse_spec({"spec": raw})) == {"environments": 1, "memory_mb": 2148, "processes": 517}


def test_what_an_environment_may_take_is_said_with_the_processors_that_are_given() -> None:
    assert in_words(SPEC) == "1124 MB of memory, 261 processes"
    raw = SPEC.model_dump(mode="json", by_alias=True, exclude_unset=True)
    raw["environment"]["components"] |= {
        "web": {**raw["environment"]["components"]["web"], "limits": {"cpus": 0.5}},
        "db": {"type": "postgres", "limits": {"memoryMb": 512, "processes": 64, "cpus": 2}},
    }
    said = "2560 MB of memory, 576 processes; processors: 0.5 for web, 2 for db"
    assert in_words(parse_spec({"spec": raw})) == said
