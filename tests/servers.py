"""A bundle's PostgreSQL and PgBouncer, started for real, and clients that speak PostgreSQL's protocol to them."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

NOBODY: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
"""For subprocess: neither server runs as root."""


# --- clients -------------------------------------------------------------------------------


class Refused(Exception):
    """What a server answers instead: ``code`` is its SQLSTATE, "" where the connection just ends."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """One connection, logged in by SCRAM; ``send`` and ``receive`` are apart, so that many can ask at the same time."""

    def __init__(self, port: int, user: str, password: str, database: str, name: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._stream = self._socket.makefile("rb")
        self._error: Refused | None = None
        try:
            words = ["user", user, "database", database, "application_name", name, "client_encoding", "UTF8", ""]
            body = struct.pack("!i", 196608) + b"".join(word.encode() + b"\0" for word in words)
            self._socket.sendall(struct.pack("!i", len(body) + 4) + body)
            self._log_in(password)
        except BaseException:
            self.close()
            raise

    def _log_in(self, password: str) -> None:
        first = f"n=,r={secrets.token_urlsafe(18)}"
        while True:
            kind, body = self._message()
            step = struct.unpack("!i", body[:4])[0] if kind == b"R" else -1
            if kind == b"Z":
                return
            if step == 10:
                assert b"SCRAM-SHA-256\0" in body
                self._say(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first) + 3) + b"n,," + first.encode())
            elif step == 11:
                self._say(b"p", _proof(password, first, body[4:].decode()))
            else:
                assert step in (-1, 0, 12), f"authentication {step} instead of SCRAM"

    def _say(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _message(self) -> tuple[bytes, bytes]:
        """The next message; raises Refused for one that ends the session."""
        try:
            head = self._stream.read(5)
        except ConnectionError:
            head = b""
        if len(head) < 5:
            raise Refused("", "the connection was closed")
        body = self._stream.read(struct.unpack("!i", head[1:])[0] - 4)
        if head[:1] == b"E":
            error = _refusal(body)
            if b"SFATAL\0" in body:
                raise error
            self._error = error
        return head[:1], body

    def send(self, sql: str) -> None:
        self._say(b"Q", sql.encode() + b"\0")

    def receive(self) -> list[list[str | None]]:
        """The rows of the answer; raises Refused."""
        self._error = None
        rows = []
        while True:
            kind, body = self._message()
            if kind == b"D":
                rows.append(list(_columns(body)))
            elif kind == b"Z":
                if self._error is not None:
                    raise self._error
                return rows

    def ask(self, sql: str) -> list[list[str | None]]:
        self.send(sql)
        return self.receive()

    def value(self, sql: str) -> str:
        """The only value of the answer."""
        ((found,),) = self.ask(sql)
        assert found is not None
        return found

    def close(self) -> None:
        """Leave, and wait for the server's process to be gone: only then is its slot free."""
        try:
            self._say(b"X", b"")
            while self._socket.recv(4096):
                pass
        except OSError:
            pass
        self._stream.close()
        self._socket.close()


def _columns(body: bytes) -> Iterator[str | None]:
    at = 2
    for _ in range(struct.unpack("!h", body[:2])[0]):
        size = struct.unpack("!i", body[at : at + 4])[0]
        yield body[at + 4 : at + 4 + size].decode() if size >= 0 else None
        at += 4 + max(size, 0)


def _refusal(body: bytes) -> Refused:
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    return Refused(fields.get(b"C", ""), fields.get(b"M", ""))


@functools.cache
def _salted(password: str, salt: str, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), rounds)


def _proof(password: str, first: str, theirs: str) -> bytes:
    """The last message of a client in SCRAM-SHA-256 (RFC 5802)."""
    fields = dict(part.split("=", 1) for part in theirs.split(","))
    key = hmac.digest(_salted(password, fields["s"], int(fields["i"])), b"Client Key", "sha256")
    last = f"c=biws,r={fields['r']}"
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{theirs},{last}".encode(), "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    return f"{last},p={base64.b64encode(proof).decode()}".encode()


# --- the folder ----------------------------------------------------------------------------


def secret(name: str) -> str:
    """What the file of that secret holds, for the occasion."""
    return hashlib.sha256(name.encode()).hexdigest()[:48]


def written(files: Mapping[str, str], folder: Path) -> Path:
    """The bundle in a folder, with what its user adds: applications, .env, secrets and, by the example's commands, PgBouncer's users."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for service in yaml.safe_load(files["docker-compose.yml"])["services"].values():
        if "build" in service:
            (folder / service["build"]).mkdir(parents=True, exist_ok=True)
    (folder / ".env").write_text(files[".env.example"])
    for name in re.findall(r"^#   openssl rand -hex 24 > (secrets/\w+)\.txt$", files["docker-compose.yml"], re.MULTILINE):
        (folder / f"{name}.txt").write_text(secret(Path(name).name) + "\n")
    for command in re.findall(r"^;   (printf .*)$", files.get("pgbouncer/userlist.txt.example", ""), re.MULTILINE):
        subprocess.run(["sh", "-ec", command], cwd=folder, check=True)
    return folder


def redirected(text: str, **instead: str) -> str:
    """The text with other values for what leads to containers; each stands there once."""
    for old, new in instead.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


# --- servers -------------------------------------------------------------------------------


class Process:
    """A server that runs until ``stop``; its log stands in a file."""

    def __init__(self, command: Sequence[str], folder: Path, name: str) -> None:
        self._path = folder / f"{name}.log"
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        with self._path.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, **NOBODY)

    @property
    def log(self) -> str:
        return self._path.read_text("utf-8", "replace")

    def wait(self, port: int, user: str, password: str, database: str) -> None:
        """Until it lets somebody in."""
        for _ in range(400):
            assert self._process.poll() is None, self.log
            try:
                Session(port, user, password, database).close()
            except (ConnectionError, Refused) as error:
                last = error
                time.sleep(0.025)
            else:
                return
        raise AssertionError(f"{last}\n{self.log}")

    def stop(self) -> None:
        self._process.send_signal(3)  # at once: nothing of it is kept
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Cluster:
    """A data directory fresh from initdb, for copies, and the programs of that major."""

    def __init__(self, programs: str, folder: Path) -> None:
        self.postgres = f"{programs}/postgres"
        printed = subprocess.run([self.postgres, "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r" (\d+)", printed)
        assert found, printed
        self.major = int(found[1])
        self.data = folder / "data"
        password = folder / "password"
        password.write_text(secret("postgres_password"))
        options = ["-U", "postgres", f"--pwfile={password}", "-E", "UTF8", "--no-locale", "--no-sync", "--wal-segsize=1"]
        # Everybody by TCP logs in as the image's own last line of pg_hba.conf has it; it trusts its sockets, and so do we
        options += ["--auth-local=trust", "--auth-host=scram-sha-256"]
        run([f"{programs}/initdb", "-D", str(self.data), *options], folder)


def run(command: Sequence[str], folder: Path) -> str:
    """What it prints; fails when it does."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, timeout=120, check=False, **streams, **NOBODY)
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


@contextmanager
def place() -> Iterator[Path]:
    """A folder for what servers read and write."""
    folder = Path(tempfile.mkdtemp(prefix="polint-"))  # short, for a socket stands in it
    try:
        own(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


def own(folder: Path) -> None:
    if NOBODY:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY["user"], NOBODY["group"], follow_symlinks=False)


class Database:
    """PostgreSQL on the bundle's configuration, initialised as the official image does it.

    Only its port, its addresses and where secrets stand are others, and shared_buffers where this machine might not have them.
    """

    def __init__(self, folder: Path, cluster: Cluster, psql: str, *more: str) -> None:
        self.folder, self._psql = folder, psql
        self.port = free_port()
        shutil.copytree(cluster.data, folder / "data")
        compose = yaml.safe_load((folder / "bundle/docker-compose.yml").read_text())
        self.name: str = compose["services"]["postgres"]["environment"]["POSTGRES_DB"]
        (folder / "run").mkdir()
        for name, where in compose["secrets"].items():
            (folder / "run" / name).symlink_to(folder / "bundle" / where["file"])
        own(folder)
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off", *more]
        configuration = f"config_file={folder}/bundle/postgres/postgresql.conf"
        command = [cluster.postgres, "-D", f"{folder}/data", "-c", configuration, *(word for one in settings for word in ("-c", one))]
        self.process = Process(command, folder, "postgres")
        try:
            self.process.wait(self.port, "postgres", secret("postgres_password"), "postgres")
            self.psql("-d", "postgres", "-c", f'CREATE DATABASE "{self.name}"')
            for script in sorted((folder / "bundle/postgres/init").iterdir()):
                text = script.read_text().replace("/run/secrets/", f"{folder}/run/")
                (folder / script.name).write_text(text)
                self.psql("-d", self.name, "-f", script.name)
        except BaseException:
            self.stop()
            raise

    def psql(self, *arguments: str) -> str:
        """As docker-entrypoint.sh calls it."""
        command = [self._psql, "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-h", str(self.folder), "-p", str(self.port), "-w"]
        return run([*command, *arguments] if "-U" in arguments else [*command, "-U", "postgres", *arguments], self.folder)

    def session(self, user: str, password: str, name: str = "") -> Session:
        return Session(self.port, user, secret(password), self.name, name)

    def administrator(self) -> Session:
        return self.session("postgres", "postgres_password", "administrator")

    def stop(self) -> None:
        self.process.stop()


class Pooler:
    """PgBouncer on the bundle's pgbouncer.ini; only hosts, ports and where the users stand are others."""

    def __init__(self, program: str, database: Database, user: str, password: str) -> None:
        self.port, self.name = free_port(), database.name
        printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"PgBouncer (\d+)\.(\d+)", printed)
        assert found, printed
        self.version = int(found[1]), int(found[2])
        folder = database.folder
        text = (folder / "bundle/pgbouncer/pgbouncer.ini").read_text()
        changes = {"host=postgres port=5432": f"host=127.0.0.1 port={database.port}", "listen_addr = *": "listen_addr = 127.0.0.1"}
        changes |= {"listen_port = 6432": f"listen_port = {self.port}\nunix_socket_dir =", "/run/secrets/": f"{folder}/run/"}
        text = redirected(text, **changes)
        if self.version < (1, 21):  # the first that has it, and an older one refuses to start
            text = re.sub(r"^max_prepared_statements = \d+\n", "", text, flags=re.MULTILINE)
        (folder / "pgbouncer.ini").write_text(text)
        self.process = Process([program, "pgbouncer.ini"], folder, "pgbouncer")
        try:
            self.process.wait(self.port, user, secret(password), self.name)
        except BaseException:
            self.stop()
            raise

    def session(self, user: str, password: str, name: str = "", database: str = "") -> Session:
        return Session(self.port, user, secret(password), database or self.name, name)

    def stop(self) -> None:
        self.process.stop()
