"""The life of an embedded server: who starts it, who shares it, who stops it, what kills it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.storage.embedded import EmbeddedPostgres
from tests.support.servers import (
    REPOSITORY,
    begin_owner,
    copied_home,
    eventually,
    kill,
    leave,
    new_home,
    processes,
    query,
    ready_owner,
    servers,
)

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def used_home() -> Iterator[Path]:
    """The home of a server that has run, holds the table `kept`, and does not run now."""
    with new_home() as home:
        with EmbeddedPostgres(home) as server:
            query(server, "CREATE TABLE kept AS SELECT 17 AS n")
        yield home


@pytest.fixture
def home(used_home: Path) -> Iterator[Path]:
    """A copy of that home, of this test's own."""
    with copied_home(used_home) as home:
        yield home


@pytest.fixture
def initialised(home: Path) -> EmbeddedPostgres:
    """The server of that copy; it does not run."""
    return EmbeddedPostgres(home)


@pytest.fixture
def empty_home() -> Iterator[Path]:
    with new_home() as home:
        yield home


def test_a_server_starts_in_an_empty_home(empty_home: Path) -> None:
    with EmbeddedPostgres(empty_home) as server:
        assert query(server, "SELECT 1") == 1


def test_a_server_that_was_stopped_is_gone(initialised: EmbeddedPostgres) -> None:
    with initialised:
        pass

    assert servers(initialised) == []
    assert not (initialised.data / "postmaster.pid").exists()


def test_a_second_start_finds_the_data_of_the_first(initialised: EmbeddedPostgres) -> None:
    with initialised:
        assert query(initialised, "SELECT n FROM kept") == 17


def test_stopping_twice_is_no_error(initialised: EmbeddedPostgres) -> None:
    initialised.start()
    initialised.stop()
    initialised.stop()

    assert servers(initialised) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [("listen_addresses", ""), ("TimeZone", "UTC"), ("server_encoding", "UTF8"), ("fsync", "on")],
)
def test_a_server_is_set_up_for_one_machine(
    setting: str, value: str, postgres: EmbeddedPostgres
) -> None:
    assert query(postgres, f"SHOW {setting}") == value


def test_a_database_is_created_once(postgres: EmbeddedPostgres) -> None:
    postgres.create_database("created")
    query(postgres, "CREATE TABLE kept AS SELECT 17 AS n", "created")
    postgres.create_database("created")

    assert query(postgres, "SELECT n FROM kept", "created") == 17


def test_a_database_may_be_created_by_many_at_once(postgres: EmbeddedPostgres) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(postgres.create_database, ["shared"] * 4))

    assert query(postgres, "SELECT count(*) FROM pg_database WHERE datname = 'shared'") == 1


def test_two_processes_share_one_server(initialised: EmbeddedPostgres, home: Path) -> None:
    owner = ready_owner(home)
    shared = servers(initialised)
    with initialised:
        both = servers(initialised)
    leave(owner)

    assert len(shared) == 1
    assert both == shared


def test_two_processes_that_start_at_once_share_one_server(empty_home: Path) -> None:
    owners = [begin_owner(empty_home) for _ in range(2)]
    server = EmbeddedPostgres(empty_home)
    words = [owner.stdout.readline() for owner in owners if owner.stdout]
    running = servers(server)
    for owner in owners:
        leave(owner)

    assert words == ["ready\n"] * 2
    assert len(running) == 1
    assert servers(server) == []


def test_owners_that_meet_in_an_empty_home_share_one_server(empty_home: Path) -> None:
    """Each of them finds directories that another is just making."""
    owners = [EmbeddedPostgres(empty_home) for _ in range(8)]
    all_there = threading.Barrier(len(owners))

    def start(owner: EmbeddedPostgres) -> None:
        all_there.wait()
        owner.start()

    with ThreadPoolExecutor(len(owners)) as pool:
        starting = [pool.submit(start, owner) for owner in owners]
    running = servers(owners[0])
    for owner in owners:
        owner.stop()

    for started in starting:
        started.result()
    assert len(running) == 1
    assert servers(owners[0]) == []


def test_a_slow_owner_does_not_replace_the_directory_of_a_fast_one(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked before the fast one had made it, and renames its own when the fast one is in it."""
    fast, slow = EmbeddedPostgres(empty_home / "met"), EmbeddedPostgres(empty_home / "met")
    looked = os.path.lexists

    def look_then_be_overtaken(path: str | Path) -> bool:
        found = looked(path)
        monkeypatch.setattr(os.path, "lexists", looked)
        fast._make_directory(fast.root, holding="start.lock")
        inodes.append(fast.root.stat().st_ino)
        return found

    inodes: list[int] = []
    monkeypatch.setattr(os.path, "lexists", look_then_be_overtaken)
    with slow:
        inodes.append(slow.root.stat().st_ino)

    assert inodes[0] == inodes[1]
    assert not list(slow.root.parent.glob("new-*"))


@pytest.mark.parametrize("first", [0, 1], ids=["starter leaves first", "starter leaves last"])
def test_the_last_owner_stops_the_server(
    first: int, initialised: EmbeddedPostgres, home: Path
) -> None:
    owners = [ready_owner(home), ready_owner(home)]
    leave(owners.pop(first))
    still = servers(initialised)
    leave(owners.pop())

    assert len(still) == 1
    assert servers(initialised) == []


@pytest.mark.parametrize("killed", [0, 1], ids=["starter is killed", "second is killed"])
def test_after_an_owner_was_killed_the_next_clean_leave_stops_the_server(
    killed: int, initialised: EmbeddedPostgres, home: Path
) -> None:
    owners = [ready_owner(home), ready_owner(home)]
    kill(owners.pop(killed))
    still = servers(initialised)
    leave(owners.pop())

    assert len(still) == 1
    assert servers(initialised) == []


def test_what_the_only_owner_left_behind_when_killed_is_shared_and_stopped(
    initialised: EmbeddedPostgres, home: Path
) -> None:
    kill(ready_owner(home))
    orphan = servers(initialised)
    with initialised:
        shared = servers(initialised)

    assert len(orphan) == 1
    assert shared == orphan
    assert servers(initialised) == []


def test_a_process_that_ends_without_leaving_stops_the_server(
    initialised: EmbeddedPostgres, home: Path
) -> None:
    forgetful = (
        "import sys, pathlib\n"
        "from liftgraph_dagster.storage.embedded import EmbeddedPostgres\n"
        "EmbeddedPostgres(pathlib.Path(sys.argv[1])).start()\n"
        "print('started')"
    )
    done = subprocess.run(
        [sys.executable, "-c", forgetful, str(home)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("started\n", "")
    assert servers(initialised) == []


def test_a_forked_child_that_ends_does_not_stop_the_server(
    initialised: EmbeddedPostgres, home: Path
) -> None:
    """It holds a copy of its parent's lock, and runs its parent's exit handlers."""
    forking = (
        "import os, sys, pathlib\n"
        "from liftgraph_dagster.storage.embedded import EmbeddedPostgres\n"
        "with EmbeddedPostgres(pathlib.Path(sys.argv[1])):\n"
        "    child = os.fork()\n"
        "    if not child: sys.exit()\n"
        "    os.waitpid(child, 0)\n"
        "    print('child is gone', flush=True)\n"
        "    sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", forking, str(home)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    still = servers(initialised)
    parent.communicate()

    assert len(still) == 1


@pytest.mark.parametrize("is_shared", [False, True], ids=["one owner", "two owners"])
def test_a_killed_server_can_be_started_again_at_once_with_its_data(
    is_shared: bool, initialised: EmbeddedPostgres, home: Path
) -> None:
    other = ready_owner(home) if is_shared else None
    with initialised:
        query(initialised, "INSERT INTO kept VALUES (18)")
        os.kill(servers(initialised)[0], signal.SIGKILL)
        with EmbeddedPostgres(home) as again:
            rows = query(again, "SELECT array_agg(n ORDER BY n) FROM kept")
    if other:
        leave(other)

    assert rows == [17, 18]
    assert servers(initialised) == []


def test_a_server_and_its_owner_killed_together_leave_a_home_that_starts(
    initialised: EmbeddedPostgres, home: Path
) -> None:
    owner = ready_owner(home)
    query(initialised, "INSERT INTO kept VALUES (18)")
    os.kill(servers(initialised)[0], signal.SIGKILL)
    kill(owner)

    with initialised:
        assert query(initialised, "SELECT count(*) FROM kept") == 2


def test_a_crashed_server_whose_number_another_process_has_now_is_started(
    initialised: EmbeddedPostgres,
) -> None:
    uid = initialised.data.stat().st_uid
    stranger = subprocess.Popen(["sleep", "600"], user=uid if os.getuid() == 0 else None)
    stale = initialised.data / "postmaster.pid"
    stale.write_text(f"{stranger.pid}\n{initialised.data}\n")
    with initialised:
        n = query(initialised, "SELECT n FROM kept")
    is_alive = stranger.poll() is None
    stranger.kill()
    stranger.wait()

    assert n == 17
    assert is_alive


def test_a_crashed_server_whose_number_the_server_of_another_home_has_now_is_started(
    initialised: EmbeddedPostgres,
) -> None:
    """In a container the numbers are few, and the same after each start. The other lives on."""
    with new_home() as elsewhere, EmbeddedPostgres(elsewhere) as other:
        stale = initialised.data / "postmaster.pid"
        stale.write_text((other.data / "postmaster.pid").read_text())
        with initialised:
            n = query(initialised, "SELECT n FROM kept")

        assert n == 17
        assert query(other, "SELECT 1") == 1


def test_a_start_killed_in_the_middle_of_the_first_set_up_is_made_good(empty_home: Path) -> None:
    owner = begin_owner(empty_home)
    eventually(lambda: processes("/initdb", str(empty_home)))
    kill(owner)

    with EmbeddedPostgres(empty_home) as server:
        assert query(server, "SELECT 1") == 1


@pytest.mark.parametrize("is_terminal", [True, False], ids=["Ctrl-C", "to the owner alone"])
@pytest.mark.parametrize(("fixture", "program"), [("empty_home", "/initdb"), ("home", "/postgres")])
def test_an_interrupt_during_the_start_leaves_no_server(
    fixture: str, program: str, is_terminal: bool, request: pytest.FixtureRequest
) -> None:
    home = request.getfixturevalue(fixture)
    owner = begin_owner(home, start_new_session=True)
    eventually(lambda: processes(program, str(home)))
    (os.killpg if is_terminal else os.kill)(owner.pid, signal.SIGINT)
    owner.communicate()
    server = EmbeddedPostgres(home)

    assert owner.returncode != 0
    eventually(lambda: not processes("/initdb", str(home)))
    eventually(lambda: not servers(server))  # its children outlive it for a moment
    with server:
        assert query(server, "SELECT 1") == 1


def test_an_interrupt_while_it_runs_leaves_no_server(
    initialised: EmbeddedPostgres, home: Path
) -> None:
    owner = ready_owner(home, start_new_session=True)
    os.killpg(owner.pid, signal.SIGINT)
    owner.communicate()

    assert servers(initialised) == []


def test_an_interrupt_of_the_starter_leaves_the_server_to_the_others(
    initialised: EmbeddedPostgres, home: Path
) -> None:
    """A terminal interrupts all that was started from it, and waits for nobody."""
    starter = ready_owner(home, start_new_session=True)
    with initialised:
        os.killpg(starter.pid, signal.SIGINT)
        starter.communicate()

        assert query(initialised, "SELECT n FROM kept") == 17


def test_two_homes_are_independent(initialised: EmbeddedPostgres) -> None:
    with new_home() as elsewhere, initialised:
        with EmbeddedPostgres(elsewhere) as other:
            shared = query(other, "SELECT to_regclass('kept')")

        assert shared is None
        assert servers(other) == []
        assert query(initialised, "SELECT n FROM kept") == 17


def test_data_of_another_major_version_is_refused_and_kept(
    initialised: EmbeddedPostgres,
) -> None:
    (initialised.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(ConfigurationError) as caught:
        initialised.start()
    message = str(caught.value)

    assert f"{initialised.data} was written by PostgreSQL 14" in message
    assert "LIFTGRAPH_HOME" in message
    assert "\n" not in message
    assert servers(initialised) == []
    assert (initialised.data / "PG_VERSION").read_text() == "14\n"
