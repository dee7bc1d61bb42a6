from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy

from liftgraph_dagster.services import database_server, environment
from liftgraph_dagster.settings import Settings

SET = Settings(
    home=Path("/srv/liftgraph"),
    database_url="postgresql://ada@db/main",
    dagster_database_url="postgresql://ada@db/main_dagster",
    model_url="https://models.example",
    model="qwen",
    model_api_key="s3cret",
    graphs=("one.graph", "other.graph"),
)


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DATABASE_URL",
        "DAGSTER_DATABASE_URL",
        "MODEL_URL",
        "MODEL",
        "MODEL_API_KEY",
        "MODAL_KEY",
        "MODAL_SECRET",
    ):
        monkeypatch.delenv(f"LIFTGRAPH_{name}", raising=False)


@pytest.mark.parametrize(
    ("ours", "dagsters"),
    [
        ("postgresql://h/main", "postgresql://h/main_dagster"),
        ("postgres://h/main", "postgres://h/main_dagster"),
        ("postgresql://ada:p%2Fw@h:6543/main", "postgresql://ada:p%2Fw@h:6543/main_dagster"),
        ("postgresql://h/main?sslmode=require", "postgresql://h/main_dagster?sslmode=require"),
        ("postgresql://h1:1,h2:2/main", "postgresql://h1:1,h2:2/main_dagster"),
        ("postgresql://h", "postgresql://h/liftgraph_dagster"),
        ("postgresql://h/", "postgresql://h/liftgraph_dagster"),
        ("postgresql:///main?host=/run/pg", "postgresql:///main_dagster?host=/run/pg"),
        ("postgresql://ada@/main?host=/run/pg", "postgresql://ada@/main_dagster?host=/run/pg"),
    ],
)
def test_dagsters_database_stands_beside_ours(ours: str, dagsters: str) -> None:
    with database_server(Settings(database_url=ours)) as settings:
        assert settings.dagster_database_url == dagsters


def test_a_database_that_is_set_is_used_as_it_is() -> None:
    with database_server(Settings(database_url="postgresql://h/main")) as settings:
        assert settings.database_url == "postgresql://h/main"


def test_a_database_of_dagsters_that_is_set_is_used_as_it_is() -> None:
    with database_server(SET) as settings:
        assert settings == SET


def test_a_child_reads_the_settings_that_it_is_given() -> None:
    child = Settings.from_environment(
        {k: v for k, v in environment(SET).items() if k.startswith("LIFTGRAPH_")}
    )

    assert child.home == SET.home
    assert child.database_url == SET.database_url
    assert (child.model_url, child.model) == (SET.model_url, SET.model)
    assert child.model_api_key == SET.model_api_key
    assert child.graphs == SET.graphs


@pytest.mark.parametrize(
    "url", ["postgresql://ada:p%2Fw@h:6543/d", "postgres://ada:p%2Fw@h:6543/d"]
)
def test_dagsters_url_names_its_driver(url: str) -> None:
    """SQLAlchemy 2.1 would look for psycopg 3, which is not installed."""
    variables = environment(Settings(database_url="postgresql://h/m", dagster_database_url=url))
    read = sqlalchemy.make_url(variables["LIFTGRAPH_DAGSTER_DATABASE_URL"])

    assert read.drivername == "postgresql+psycopg2"
    assert (read.username, read.password, read.host) == ("ada", "p/w", "h")
    assert (read.port, read.database) == (6543, "d")


def test_what_a_child_reads_can_be_handed_on_to_its_child() -> None:
    child = Settings.from_environment(
        {k: v for k, v in environment(SET).items() if k.startswith("LIFTGRAPH_")}
    )
    first, second = environment(SET), environment(child)

    assert second["LIFTGRAPH_DAGSTER_DATABASE_URL"] == first["LIFTGRAPH_DAGSTER_DATABASE_URL"]


def test_what_is_not_set_is_not_handed_on() -> None:
    variables = environment(Settings(home=Path("/srv/liftgraph")))

    assert not {"LIFTGRAPH_DATABASE_URL", "LIFTGRAPH_MODEL_URL"} & variables.keys()


@pytest.mark.parametrize(
    "name", ["MODEL_URL", "DATABASE_URL", "MODEL_API_KEY", "MODAL_KEY", "MODAL_SECRET"]
)
def test_a_child_does_not_inherit_what_our_settings_leave_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would use another server than the process that started it."""
    monkeypatch.setenv(f"LIFTGRAPH_{name}", "postgresql://elsewhere/x")

    assert f"LIFTGRAPH_{name}" not in environment(Settings(home=Path("/srv/liftgraph")))


def test_a_child_inherits_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING", "else")

    assert environment(SET)["SOMETHING"] == "else"


def test_dagster_lives_in_our_home_and_reports_nothing() -> None:
    variables = environment(SET)

    assert variables["DAGSTER_HOME"] == "/srv/liftgraph/dagster"
    assert variables["DAGSTER_DISABLE_TELEMETRY"] == "true"
