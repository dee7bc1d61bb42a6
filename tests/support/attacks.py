"""Programs that try to do harm, and how each must end.

A plain module without pytest, so that the same table runs as root and, in another interpreter, as
an ordinary user: `python attacks.py` runs all and prints a JSON object, name -> what went wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from liftgraph_dagster.sandbox.sandbox import Call, Ending, Limits, Outcome, Report, Sandbox
from liftgraph_dagster.sandbox.values import Opaque

Judge = Callable[[Report], bool]
MARK = Path("/tmp/liftgraph-attack")
"""What a program writes when it can."""
PATIENT = Limits(call_s=20.0, total_s=40.0, memory_mb=64)
"""So that a busy machine stops no program that ends of itself."""
QUICK = Limits(call_s=0.4, total_s=2.0, memory_mb=64)
"""For programs that never end."""


@dataclass(frozen=True)
class Attack:
    """One program, and what must become of it."""

    claim: str
    code: str
    contained: Judge
    calls: tuple[Call, ...] = (Call("attack", "()"),)


def raises(*errors: str) -> Judge:
    """The call was refused with one of these exceptions."""
    return lambda report: _only(report).ending is Ending.RAISED and _only(report).error in errors


def equals_nothing(report: Report) -> bool:
    """The call returned something that was not taken over."""
    value = _only(report).value
    return isinstance(value, Opaque) and "cannot be compared" in value.text


def returns(value: object) -> Judge:
    return lambda report: _only(report).returned and _only(report).value == value


def ends(*endings: Ending, error: str = "") -> Judge:
    return lambda report: _only(report).ending in endings and error in _only(report).error


def opaque(of: str) -> Judge:
    return lambda report: getattr(_only(report).value, "type", "") == of


def does_not_load(*errors: str) -> Judge:
    return lambda report: (
        report.loaded.ending is Ending.RAISED
        and (not errors or report.loaded.error in errors)
        and {outcome.ending for outcome in report.calls} == {Ending.NOT_RUN}
    )


def _only(report: Report) -> Outcome:
    (outcome,) = report.calls
    return outcome


REFUSED = raises("PermissionError", "FileNotFoundError", "OSError", "BlockingIOError")
KILLED = ends(Ending.DIED)
STOPPED = ends(Ending.TIMEOUT)


def _stopped_while_loading(report: Report) -> bool:
    ending = report.loaded.ending
    return ending is Ending.TIMEOUT and report.calls[0].ending is Ending.NOT_RUN


def _attack(claim: str, line: str, contained: Judge = REFUSED) -> Attack:
    """An attack of one expression."""
    return Attack(claim, f"import os, socket\ndef attack():\n    return {line}\n", contained)


FILES = [
    _attack("the user list cannot be read", "open('/etc/passwd').read()"),
    _attack(
        "the user list cannot be read by a relative path", "open('../../../etc/passwd').read()"
    ),
    _attack("the home of root cannot be listed", "os.listdir('/root')"),
    _attack("a directory of processes cannot be listed", "os.listdir('/proc')"),
    Attack(
        "listing the root directory shows nothing of the machine",
        """
import os
def attack():
    try:
        return sorted({'etc', 'home', 'proc', 'usr', 'var'} & set(os.listdir('/')))
    except PermissionError:
        return []
""",
        returns([]),
    ),
    _attack("a file in /tmp cannot be written", f"open('{MARK}', 'w')"),
    _attack("a file in /tmp cannot be made by its number", f"os.open('{MARK}', os.O_CREAT)"),
    _attack("a file without a name cannot be made", "os.open('/', os.O_TMPFILE | os.O_RDWR)"),
    _attack("a file in the working directory cannot be written", "open('liftgraph-attack', 'w')"),
    _attack("a directory cannot be made", f"os.mkdir('{MARK}')"),
    _attack("a symbolic link out of the directory cannot be made", "os.symlink('/etc', 'etc')"),
    _attack("a hard link cannot be made", f"os.link(os.__file__, '{MARK}')"),
    _attack("a pipe with a name cannot be made", f"os.mkfifo('{MARK}')"),
    _attack("the standard library cannot be written", "open('/os.py', 'a')"),
    _attack("a module of the standard library cannot be written", "open(os.__file__, 'a')"),
    _attack("a file cannot be removed", "os.remove(os.__file__)"),
    _attack("a file cannot be renamed", "os.rename(os.__file__, 'x')"),
    _attack("a file's rights cannot be changed", "os.chmod(os.__file__, 0o777)"),
    _attack("a file cannot be cut short", "os.truncate(os.__file__, 0)"),
    _attack("the root directory cannot be changed", "os.chroot('.')"),
    _attack("five megabytes cannot be written", f"open('{MARK}', 'wb').write(bytes(5_000_000))"),
    Attack(
        "the disk cannot be filled with many files",
        """
def attack():
    made = 0
    for directory in ('/tmp', '/var/tmp', '/dev/shm', '/run', '.'):
        for number in range(200):
            try:
                with open(f'{directory}/liftgraph-attack-{number}', 'w') as file:
                    file.write('x' * 4096)
                made += 1
            except OSError:
                pass
    return made
""",
        returns(0),
    ),
    Attack(
        "no open file of the parent or the server is inherited",
        """
import os, stat
def attack():
    found = []
    for fd in range(256):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        found.append('socket' if stat.S_ISSOCK(mode) else 'null' if stat.S_ISCHR(mode) else mode)
    return sorted(found)
""",
        returns(["null", "null", "null", "socket"]),
    ),
]

PROC = [
    _attack(f"{what} cannot be read", f"open('/proc/{path}', 'rb').read(1)")
    for what, path in (
        ("its own environment", "self/environ"),
        ("the parent's environment", "$PARENT/environ"),
        ("the server's environment", "' + str(os.getppid()) + '/environ"),
        ("its own memory", "self/mem"),
        ("the parent's memory", "$PARENT/mem"),
        ("the map of its own memory", "self/maps"),
        ("the kernel's memory", "kcore"),
        ("the user list by way of the parent", "$PARENT/root/etc/passwd"),
        ("the parent's command line", "$PARENT/cmdline"),
    )
]

NETWORK = [
    _attack("no TCP socket can be opened", "socket.socket(socket.AF_INET)"),
    _attack("no UDP socket can be opened", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"),
    _attack("no UNIX socket can be opened", "socket.socket(socket.AF_UNIX)"),
    _attack("no netlink socket can be opened", "socket.socket(socket.AF_NETLINK)"),
    _attack("no raw socket can be opened", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    _attack("no pair of sockets can be made", "socket.socketpair()"),
    _attack("no name can be looked up", "socket.getaddrinfo('localhost', 80)", raises("gaierror")),
    Attack(
        "no descriptor can be sent over the reply socket",
        """
import array, socket
def attack():
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))]
    sent = 0
    for fd in range(64):
        try:
            own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
            sent += own.sendmsg([b'x'], rights)
        except OSError:
            pass
        finally:
            own.detach()
    return sent
""",
        returns(0),
    ),
]

PROCESSES = [
    _attack("no process can be forked", "os.fork()"),
    _attack("no program can be executed", "os.execv('/bin/true', ['true'])"),
    _attack("no program can be spawned", "os.posix_spawn('/bin/true', ['true'], {})"),
    Attack(
        "no shell can be run",
        f"import os\ndef attack():\n    return os.system('echo > {MARK}') != 0\n",
        returns(True),
    ),
    Attack(
        "no subprocess can be run",
        "import subprocess\ndef attack():\n    return subprocess.run(['/bin/true'])\n",
        REFUSED,
    ),
    Attack(
        "no thread can be started, however often it is tried",
        """
import _thread
def attack():
    started = 0
    for _ in range(2000):
        try:
            _thread.start_new_thread(lambda: None, ())
            started += 1
        except RuntimeError:
            pass
    return started
""",
        returns(0),
    ),
    _attack("the parent cannot be killed", "os.kill($PARENT, 9)"),
    _attack("the server cannot be killed", "os.kill(os.getppid(), 9)"),
    _attack("all processes cannot be killed", "os.kill(-1, 9)"),
    _attack("its process group cannot be killed", "os.killpg(0, 9)"),
    _attack("the parent cannot be signalled by a pidfd", "os.pidfd_open($PARENT)"),
    Attack(
        "no limit can be raised",
        """
import resource
def attack():
    return resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
""",
        raises("ValueError", "PermissionError", "OSError"),
    ),
    _attack("root cannot be regained", "os.setuid(0)"),
    _attack("the real user cannot be changed", "os.setresuid(0, 0, 0)"),
    _attack("its priority cannot be raised", "os.setpriority(os.PRIO_PROCESS, 0, -20)"),
    _attack(
        "the kernel cannot be made to signal the owner of a socket",
        """[
        __import__('fcntl').fcntl(fd, 8, $PARENT) for fd in range(64)]""",
    ),
    Attack(
        "its user is not root",
        "import os\ndef attack():\n    return 0 in (os.getuid(), os.geteuid(), os.getgid())\n",
        returns(False),
    ),
    Attack(
        "its environment is empty",
        """
import ctypes, os
def attack():
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    return dict(os.environ), getenv(b'PATH'), getenv(b'ATTACK_SECRET')
""",
        returns(({}, None, None)),
    ),
]

RESOURCES = [
    _attack("a gigabyte cannot be had", "bytearray(2**30)", raises("MemoryError")),
    _attack(
        "a gigabyte cannot be mapped",
        "__import__('mmap').mmap(-1, 2**30)",
        raises("OSError", "PermissionError", "MemoryError"),
    ),
    Attack(
        "many small allocations come to an end",
        "def attack():\n    kept = []\n    while True:\n        kept.append(bytes(1000))\n",
        lambda report: raises("MemoryError")(report) or KILLED(report),
    ),
    Attack("a busy loop is stopped", "def attack():\n    while True: pass\n", STOPPED),
    _attack("sleeping for ever is stopped", "__import__('time').sleep(10**6)", STOPPED),
    _attack("a loop in C is stopped", "sum(range(10**15))", STOPPED),
    Attack(
        "a pattern that backtracks for ever is stopped",
        "import re\ndef attack():\n    return re.match('(a+)+$', 'a' * 60 + 'b')\n",
        STOPPED,
    ),
    Attack(
        "a loop that ignores all signals is stopped",
        """
import signal
def attack():
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        try:
            while True: pass
        except BaseException:
            pass
""",
        STOPPED,
    ),
    Attack(
        "a loop while loading is stopped",
        "while True: pass\n",
        _stopped_while_loading,
    ),
    Attack(
        "a flood of printed text is cut",
        "def attack():\n    for _ in range(20_000): print('x' * 1000)\n",
        lambda r: _only(r).returned and len(_only(r).printed) == 2000,
    ),
    Attack(
        "a flood past the printed text goes nowhere",
        "import os\ndef attack():\n    for _ in range(2000): os.write(1, b'x' * 10**4)\n",
        returns(None),
    ),
    _attack("a flood in the returned value equals nothing", "'x' * 10**7", equals_nothing),
    _attack("a flood of members equals nothing", "[0] * 10**6", equals_nothing),
    _attack("a huge number equals nothing", "10**10**6", equals_nothing),
    Attack(
        "a value that contains itself equals nothing",
        "def attack():\n    a = []\n    a.append(a)\n    return a\n",
        equals_nothing,
    ),
    Attack(
        "a value nested without end equals nothing",
        "def attack():\n    a = ()\n    for _ in range(10**5): a = (a,)\n    return a\n",
        lambda report: equals_nothing(report) or KILLED(report),
    ),
    Attack(
        "recursion without end is an error of its own",
        "def attack(): return attack()\n",
        raises("RecursionError"),
    ),
    Attack(
        "recursion past the stack harms only itself",
        "import sys\nsys.setrecursionlimit(10**9)\ndef attack(n=0): return repr([attack(n)])\n",
        lambda r: not _only(r).returned,
    ),
    Attack(
        "a wild pointer kills only itself",
        "import ctypes\ndef attack(): return ctypes.string_at(8)\n",
        ends(Ending.DIED, error="SIGSEGV"),
    ),
]

FORGE = """
import json, os
def forge(*lines):
    for fd in range(65):
        for line in lines:
            try:
                data = line if isinstance(line, bytes) else json.dumps(line).encode() + b'\\n'
                os.write(fd, data)
            except OSError:
                pass
def reply(**fields):
    return dict({'outcome': 'returned', 'value': 'null', 'seconds': 0, 'printed': ''}, **fields)
"""


def _forgery(claim: str, lines: str, contained: Judge) -> Attack:
    return Attack(claim, f"{FORGE}def attack():\n    forge({lines})\n    os._exit(0)\n", contained)


REPLIES = [
    _attack(
        "leaving with success is a death", "os._exit(0)", ends(Ending.DIED, error="exit code 0")
    ),
    _attack(
        "leaving by sys.exit is an exception", "__import__('sys').exit(0)", raises("SystemExit")
    ),
    Attack(
        "leaving while loading runs no call",
        "import os\nos._exit(0)\n",
        lambda r: r.loaded.ending is Ending.DIED and r.calls[0].ending is Ending.NOT_RUN,
    ),
    Attack(
        "closing the reply socket is a death",
        "import os\ndef attack():\n    os.closerange(0, 64)\n    return 1\n",
        KILLED,
    ),
    _forgery(
        "a forged reply is a claim that a value was returned",
        "reply(value='[42]')",
        returns([42]),
    ),
    _forgery(
        "a forged ending other than returned or raised is a death",
        "reply(outcome='timeout')",
        ends(Ending.DIED, error="garbled"),
    ),
    _forgery("a forged reply without fields is a death", "{}", ends(Ending.DIED, error="garbled")),
    _forgery("a forged reply that is no object is a death", "[1]", ends(Ending.DIED)),
    _forgery("a forged reply that is no JSON is a death", "b'{[\\n'", ends(Ending.DIED)),
    _forgery("null bytes are a death", "bytes(100) + b'\\n'", ends(Ending.DIED)),
    _forgery("bytes that are no UTF-8 are a death", "b'\"\\xff\\xfe\\xed\"\\n'", ends(Ending.DIED)),
    _forgery("a line without end is a death", "b'[' * 10**7", ends(Ending.DIED)),
    _forgery(
        "brackets without end are a death",
        "reply(value='[' * 50_000 + ']' * 50_000)",
        ends(Ending.DIED, error="garbled"),
    ),
    _forgery(
        "a number beyond all floats is a death",
        """reply(value='{"c": ["0x1p99999", "0x0p0"]}')""",
        ends(Ending.DIED, error="garbled"),
    ),
    _forgery(
        "a number of too many digits is a death",
        "reply(value='9' * 100_000)",
        ends(Ending.DIED, error="garbled"),
    ),
    _forgery(
        "a set of what cannot be in a set is a death",
        """reply(value='{"s": [[1]]}')""",
        ends(Ending.DIED, error="garbled"),
    ),
    _forgery(
        "a forged value longer than allowed is a death",
        "reply(value='\"' + 'x' * 210_000 + '\"')",
        ends(Ending.DIED, error="garbled"),
    ),
    _forgery(
        "forged seconds are not believed",
        "reply(seconds=10**400)",
        lambda r: _only(r).returned and 0 <= _only(r).seconds < 60,
    ),
    _forgery(
        "a forged message is cut and can be stored",
        "reply(outcome='raised', error='\\ud800' * 9000, message='\\ud800' * 9000)",
        lambda r: (
            raises(_only(r).error)(r) and len((_only(r).error + _only(r).message).encode()) <= 6000
        ),
    ),
    Attack(
        "replies forged while loading judge no more calls than there are",
        f"{FORGE}forge(*[reply(value='7')] * 50)\nos._exit(0)\n",
        lambda r: [outcome.value for outcome in r.calls] == [7, 7],
        calls=(Call("attack", "()"),) * 2,
    ),
    Attack(
        "a call that dies takes no other call along",
        "import os\ndef attack(n):\n    if n == 1: os._exit(0)\n    return n\n",
        lambda r: [o.value for o in r.calls] == [0, None, 2] and r.calls[1].ending is Ending.DIED,
        calls=tuple(Call("attack", f"({n},)") for n in range(3)),
    ),
]

VALUES = (
    [
        Attack(
            f"a value whose {method} {how} is opaque",
            f"class Value:\n    def {method}(self, *args):\n        {body}\n"
            "def attack(): return Value()\n",
            opaque("program.Value"),
        )
        for method, how, body in (
            ("__repr__", "raises", "raise RuntimeError"),
            ("__repr__", "is huge", "return 'x' * 10**7"),
            ("__repr__", "returns no text", "return 1"),
            ("__eq__", "always agrees", "return True"),
            ("__hash__", "is 0", "return 0"),
            ("__reduce__", "runs a command", f"import os; return os.system, ('echo > {MARK}',)"),
            ("__getattr__", "raises", "raise RuntimeError"),
        )
    ]
    + [
        Attack(
            f"a value that says it is a {kind} equals nothing",
            f"class Value:\n    __class__ = {kind}\ndef attack(): return Value()\n",
            equals_nothing,
        )
        for kind in ("str", "int", "list", "dict", "tuple", "set", "bytes")
    ]
    + [
        Attack(
            "a value whose repr never ends is stopped",
            "class Value:\n    def __repr__(self):\n        while True: pass\n"
            "def attack(): return Value()\n",
            STOPPED,
        ),
        Attack(
            "a list that lies about its members is read past the lie",
            "class Value(list):\n    def __iter__(self):\n        while True: yield 0\n"
            "    def __len__(self): return 10**9\n"
            "def attack(): return Value([1])\n",
            returns([1]),
        ),
        Attack(
            "a dictionary that lies about its items is read past the lie",
            "class Value(dict):\n    def items(self): return iter(int, 1)\n"
            "def attack(): return Value(a=1)\n",
            returns({"a": 1}),
        ),
        Attack(
            "a text that lies about its length is read past the lie",
            "class Value(str):\n    def __len__(self): return 0\n    def __str__(self): return 1\n"
            "def attack(): return Value('x')\n",
            returns("x"),
        ),
        _attack("a generator is opaque", "(n for n in range(3))", opaque("builtins.generator")),
        _attack(
            "an iterator without end is opaque",
            "__import__('itertools').count()",
            opaque("itertools.count"),
        ),
        _attack("a null byte is a character", "'a\\0b', b'\\0'", returns(("a\0b", b"\0"))),
        _attack("bytes that are no text come through", "b'\\xff\\xfe'", returns(b"\xff\xfe")),
        _attack("a lone surrogate comes through", "'\\ud800'", returns("\ud800")),
        _attack("a number of 5000 digits comes through", "10**5000", returns(10**5000)),
        Attack(
            "an exception that cannot be printed has no message",
            "class Bad(Exception):\n    def __str__(self): raise RuntimeError\n"
            "def attack(): raise Bad\n",
            raises("Bad"),
        ),
        Attack(
            "an exception whose message never ends is stopped",
            "class Bad(Exception):\n    def __str__(self):\n        while True: pass\n"
            "def attack(): raise Bad\n",
            STOPPED,
        ),
        Attack(
            "an exception's long message is cut",
            "def attack(): raise ValueError('x' * 10**6)\n",
            lambda r: raises("ValueError")(r) and len(_only(r).message) == 500,
        ),
        Attack(
            "an exception's message can be stored",
            "def attack(): raise ValueError('\\ud800')\n",
            lambda r: raises("ValueError")(r) and bool(_only(r).message.encode()),
        ),
        Attack(
            "an exception whose class hides its name is named",
            "class Hidden(type):\n    @property\n    def __name__(cls): raise RuntimeError\n"
            "class Bad(Exception, metaclass=Hidden): pass\n"
            "def attack(): raise Bad\n",
            raises("Bad"),
        ),
        Attack(
            "an exception that is no Exception is caught",
            "class Bad(BaseException): pass\ndef attack(): raise Bad\n",
            raises("Bad"),
        ),
        _attack(
            "an interrupt is caught", "exec('raise KeyboardInterrupt')", raises("KeyboardInterrupt")
        ),
        Attack(
            "a function that is deleted is not defined",
            "def attack(): pass\ndel attack\n",
            ends(Ending.UNDEFINED),
        ),
        Attack("a null byte in the code does not load", "x = '\0'\n", does_not_load()),
        Attack("a lone surrogate in the code does not load", "x = '\ud800'\n", does_not_load()),
        Attack(
            "an exit while loading does not load", "raise SystemExit\n", does_not_load("SystemExit")
        ),
    ]
)

SYSCALLS = {  # of x86-64
    "vfork": 58, "clone": 56, "fork": 57, "clone3": 435, "execve": 59, "execveat": 322,
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "tkill": 200, "tgkill": 234,
    "pidfd_send_signal": 424, "pidfd_getfd": 438, "rt_sigqueueinfo": 129, "mount": 165,
    "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "fsopen": 430,
    "open_tree": 428, "move_mount": 429, "io_uring_setup": 425, "io_setup": 206,
    "memfd_create": 319, "memfd_secret": 447, "userfaultfd": 323, "bpf": 321,
    "perf_event_open": 298, "keyctl": 250, "add_key": 248, "request_key": 249, "init_module": 175,
    "finit_module": 313, "kexec_load": 246, "reboot": 169, "setuid": 105, "setgid": 106,
    "setgroups": 116, "setresuid": 117, "capset": 126, "prlimit64": 302, "setrlimit": 160,
    "personality": 135, "prctl": 157, "seccomp": 317, "landlock_restrict_self": 446, "open": 2,
    "creat": 85, "openat2": 437, "open_by_handle_at": 304, "socket": 41, "connect": 42,
    "sendto": 44, "sendmsg": 46, "socketpair": 53, "pipe2": 293, "eventfd2": 290, "shmget": 29,
    "msgget": 68, "semget": 64, "mq_open": 240, "timer_create": 222, "setitimer": 38, "alarm": 37,
    "settimeofday": 164, "sethostname": 170, "swapon": 167, "acct": 163, "quotactl": 179,
    "chown": 92, "mknod": 133, "utimensat": 280, "setxattr": 188, "fanotify_init": 300,
    "inotify_init1": 294, "sched_setaffinity": 203, "modify_ldt": 154, "iopl": 172, "vmsplice": 278,
    "tee": 276, "splice": 275, "sendfile": 40, "copy_file_range": 326, "name_to_handle_at": 303,
    "syslog": 103, "kcmp": 312, "migrate_pages": 256, "move_pages": 279, "mbind": 237,
    "setpgid": 109, "setsid": 112, "ioperm": 173, "flock": 73, "fallocate": 285,
}  # fmt: skip

_RAW = """
import ctypes
def raw(number, *args):
    return ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *args, 0, 0, 0)
"""

KERNEL = [
    Attack(
        f"the system call {name} is refused",
        f"{_RAW}def attack(): return raw({number}, 0, 0)\n",
        returns(-1),
    )
    for name, number in SYSCALLS.items()
] + [
    Attack(
        "a system call of the x32 table kills",
        f"{_RAW}def attack(): return raw(0x40000000 | 39)\n",
        ends(Ending.DIED, error="SIGSYS"),
    ),
    Attack(
        "a system call of the 32-bit table kills",
        """
import ctypes, mmap
def attack():
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, 20; int 0x80; ret
    at = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(at)()
""",
        ends(Ending.DIED, error="SIGSYS"),
    ),
    Attack(
        "a terminal cannot be typed into",
        "import fcntl\ndef attack(): return fcntl.ioctl(0, 0x5412, b'x')  # TIOCSTI\n",
        REFUSED,
    ),
]

ATTACKS: tuple[Attack, ...] = (
    *FILES, *PROC, *NETWORK, *PROCESSES, *RESOURCES, *REPLIES, *VALUES,
    *(KERNEL if platform.machine() == "x86_64" else ()),
)  # fmt: skip


def limits(attack: Attack) -> Limits:
    return QUICK if attack.contained in (STOPPED, _stopped_while_loading) else PATIENT


def fault(sandbox: Sandbox, attack: Attack) -> str:
    """Run an attack; return what it achieved, or what it left behind; "" when it was contained."""
    server = processes_below(os.getpid())
    code = attack.code.replace("$PARENT", str(os.getpid()))
    report = sandbox.run(code, attack.calls, limits(attack))
    if not attack.contained(report):
        return f"not contained: {report.loaded} {report.calls}"
    after = sandbox.run("def twice(n): return 2 * n", [Call("twice", "(21,)")]).calls[0]
    if after.value != 42:
        return f"the next program did not run: {after}"
    if processes_below(os.getpid()) != server:
        return f"processes were {server} and are {processes_below(os.getpid())}"
    if left := [str(path) for path in MARK.parent.glob(f"{MARK.name}*")]:
        return f"left behind {left}"
    return ""


def processes_below(pid: int) -> list[int]:
    """Return the children of a process and their children, in order, dead ones too that nobody has
    waited for. Without PostgreSQL's, which starts and ends workers as it likes."""
    own: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            own += map(int, (task / "children").read_text().split())
    own = [child for child in own if _name(child) != "postgres"]
    return sorted(own + [below for child in own for below in processes_below(child)])


def _name(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone meanwhile
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def main() -> None:
    with Sandbox() as sandbox:
        sandbox.run("")
        found = {attack.claim: fault(sandbox, attack) for attack in ATTACKS}
        found["level"] = str(sandbox.level)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
