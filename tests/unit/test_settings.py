from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.settings import Settings


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("LIFTGRAPH_HOME", "/data/lg", "home", Path("/data/lg")),
        ("LIFTGRAPH_DATABASE_URL", "postgresql://a/b", "database_url", "postgresql://a/b"),
        ("LIFTGRAPH_DAGSTER_DATABASE_URL", "postgresql://a/c", "dagster_database_url",
         "postgresql://a/c"),
        ("LIFTGRAPH_MODEL_URL", "http://m", "model_url", "http://m"),
        ("LIFTGRAPH_MODEL", "qwen", "model", "qwen"),
        ("LIFTGRAPH_MODEL_API_KEY", "s3cret", "model_api_key", "s3cret"),
        ("LIFTGRAPH_MODAL_KEY", "wk-1", "modal_key", "wk-1"),
        ("LIFTGRAPH_MODAL_SECRET", "ws-1", "modal_secret", "ws-1"),
        ("LIFTGRAPH_GRAPHS", "one", "graphs", ("one",)),
        ("LIFTGRAPH_GRAPHS", " one, two,", "graphs", ("one", "two")),
        ("LIFTGRAPH_CONCURRENCY", "1", "concurrency", 1),
        ("LIFTGRAPH_LEASE_S", "0.5", "lease_s", 0.5),
        ("LIFTGRAPH_SANDBOX_UNSAFE_OK", "a reason", "sandbox_unsafe_ok", "a reason"),
    ],
)  # fmt: skip
def test_each_variable_sets_its_field(variable: str, text: str, field: str, value: object) -> None:
    settings = Settings.from_environment({variable: text})

    assert getattr(settings, field) == value


def test_every_field_can_be_set_from_the_environment() -> None:
    variables = {f"LIFTGRAPH_{field.name.upper()}": "1" for field in dataclasses.fields(Settings)}

    settings = Settings.from_environment(variables)

    assert not vars(settings).items() & vars(Settings()).items()


@pytest.mark.parametrize(
    "environment",
    [{}, {"LIFTGRAPH_MODEL": ""}, {"PATH": "/bin", "OTHER_LIFTGRAPH_MODEL": "x"}],
    ids=["nothing", "empty", "others"],
)
def test_what_is_not_set_has_its_default(environment: dict[str, str]) -> None:
    assert Settings.from_environment(environment) == Settings()


def test_the_graph_that_ships_is_the_default_graph() -> None:
    assert Settings().graphs == ("liftgraph_dagster.prompt_to_code.graph",)


def test_home_is_absolute_and_knows_the_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/ada")

    homes = [Settings.from_environment({"LIFTGRAPH_HOME": h}).home for h in ("~/lg", "lg")]

    assert homes == [Path("/users/ada/lg"), Path.cwd() / "lg"]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LIFTGRAPH_CONCURRENCY", "0"),
        ("LIFTGRAPH_CONCURRENCY", "-3"),
        ("LIFTGRAPH_CONCURRENCY", "four"),
        ("LIFTGRAPH_CONCURRENCY", "1.5"),
        ("LIFTGRAPH_LEASE_S", "0"),
        ("LIFTGRAPH_LEASE_S", "-1"),
        ("LIFTGRAPH_LEASE_S", "nan"),
        ("LIFTGRAPH_LEASE_S", "inf"),
        ("LIFTGRAPH_LEASE_S", "1e308"),
        ("LIFTGRAPH_GRAPHS", ",,"),
        ("LIFTGRAPH_HOME", "~no-such-user/x"),
        ("LIFTGRAPH_HOME", f"{__file__}/below"),
        ("LIFTGRAPH_LEASE_S", "soon"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_variable(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=variable) as caught:
        Settings.from_environment({variable: text})

    assert repr(text) in str(caught.value)


def test_an_unknown_variable_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({"LIFTGRAPH_MODLE": "x"})

    assert str(caught.value).startswith("LIFTGRAPH_MODLE is not a setting")
    assert "LIFTGRAPH_MODEL_URL" in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().model = "other"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_api_key", "s3cret"),
        ("database_url", "postgresql://ada:s3cret@db/lg"),
        ("dagster_database_url", "postgresql://ada:s3cret@db/lg_dagster"),
    ],
)
def test_no_secret_shows_in_the_repr(field: str, value: str) -> None:
    settings = Settings(**{field: value})

    assert "s3cret" not in repr(settings)
