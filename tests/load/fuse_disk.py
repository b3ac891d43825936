"""A program for the disk tests: a file system of FUSE that shows a directory, read-only whenever it is told to be so.

``mount -o remount,ro`` refuses while a file is open for writing, as some of the server's always are. A file system that
turns read-only by itself, after an error or by ``zfs set readonly=on``, does not ask: open files are refused too.
It reads ``read-only`` and ``writable`` from its input, says the same once it is so, and ends with its input.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path


class Operation(IntEnum):
    """What is asked of it, as <linux/fuse.h> numbers it; the server needs no others."""

    LOOKUP = 1
    GETATTR = 3
    SETATTR = 4
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    FALLOCATE = 43
    RENAME2 = 45


OPERATIONS = set(Operation)
CHANGES = {
    *(Operation.SETATTR, Operation.MKDIR, Operation.UNLINK, Operation.RMDIR, Operation.RENAME, Operation.WRITE),
    *(Operation.CREATE, Operation.FALLOCATE, Operation.RENAME2),
}
UNANSWERED = {2, 36, 42}  # FORGET, INTERRUPT and BATCH_FORGET expect no answer

# The structures of the same names in <linux/fuse.h>.
IN_HEADER, OUT_HEADER = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
ATTR, ATTR_TIMES, ENTRY_TIMES = struct.Struct("<6Q10I"), struct.Struct("<QII"), struct.Struct("<4QII")
SETATTR_IN, MKDIR_IN, CREATE_IN = struct.Struct("<2I6Q8I"), struct.Struct("<2I"), struct.Struct("<4I")
OPEN_IN, OPEN_OUT, IO_IN = struct.Struct("<2I"), struct.Struct("<QII"), struct.Struct("<2QI20x")
FALLOCATE_IN, STATFS_OUT, INIT_OUT = struct.Struct("<3Q2I"), struct.Struct("<5Q4I24x"), struct.Struct("<4I2H2I2H32x")
DIRENT = struct.Struct("<2Q2I")
SETS_MODE, SETS_SIZE = 1, 8  # bits of SETATTR
VERSION = (7, 31)
ROOT_ID, UNKNOWN_INODE = 1, 2**32 - 1
MOST_WRITTEN_BYTES = 2**17
MS_NOSUID_NODEV = 6


class Folder:
    """The directory that is shown; files are known by the number of their inode, and stay known until the end.

    Each operation is the method of its name: it takes a file's number and the request, and returns the answer.
    """

    def __init__(self, path: Path) -> None:
        self._nodes = {ROOT_ID: os.open(path, os.O_PATH)}
        self.is_read_only = False

    def answer(self, code: int, node: int, body: bytes) -> bytes:
        """Do what is asked, of a file or of a directory. Raises OSError."""
        if code not in OPERATIONS:
            raise OSError(errno.ENOSYS, "not needed")
        if self.is_read_only and code in CHANGES:
            raise OSError(errno.EROFS, "read-only")
        method: Callable[[int, bytes], bytes] = getattr(self, Operation(code).name.lower(), _do_nothing)
        return method(node, body)

    def init(self, _: int, body: bytes) -> bytes:
        (_, _, read_ahead) = struct.unpack_from("<3I", body)
        return INIT_OUT.pack(*VERSION, read_ahead, 0, 0, 0, MOST_WRITTEN_BYTES, 1, 0, 0)

    def lookup(self, node: int, body: bytes) -> bytes:
        found = os.open(_names(body)[0], os.O_PATH | os.O_NOFOLLOW, dir_fd=self._nodes[node])
        number = os.fstat(found).st_ino
        if self._nodes.setdefault(number, found) != found:
            os.close(found)
        return ENTRY_TIMES.pack(number, 0, 0, 0, 0, 0) + self._attributes(number)

    def getattr(self, node: int, _: bytes) -> bytes:
        return ATTR_TIMES.pack(0, 0, 0) + self._attributes(node)

    def setattr(self, node: int, body: bytes) -> bytes:
        valid, _, _, size, *_, mode, _, _, _, _ = SETATTR_IN.unpack_from(body)
        if valid & SETS_SIZE:
            os.truncate(self._path(node), size)
        if valid & SETS_MODE:
            self._path(node).chmod(mode & 0o7777)
        return self.getattr(node, body)

    def mkdir(self, node: int, body: bytes) -> bytes:
        mode, _ = MKDIR_IN.unpack_from(body)
        os.mkdir(_names(body[MKDIR_IN.size :])[0], mode, dir_fd=self._nodes[node])
        return self.lookup(node, body[MKDIR_IN.size :])

    def unlink(self, node: int, body: bytes) -> bytes:
        os.unlink(_names(body)[0], dir_fd=self._nodes[node])
        return b""

    def rmdir(self, node: int, body: bytes) -> bytes:
        os.rmdir(_names(body)[0], dir_fd=self._nodes[node])
        return b""

    def rename(self, node: int, body: bytes, head_bytes: int = 8) -> bytes:
        (target,) = struct.unpack_from("<Q", body)
        old, new = _names(body[head_bytes:])
        os.replace(old, new, src_dir_fd=self._nodes[node], dst_dir_fd=self._nodes[target])
        return b""

    def rename2(self, node: int, body: bytes) -> bytes:
        return self.rename(node, body, head_bytes=16)

    def create(self, node: int, body: bytes) -> bytes:
        flags, mode, _, _ = CREATE_IN.unpack_from(body)
        name = body[CREATE_IN.size :]
        is_new = os.O_CREAT | flags & os.O_EXCL
        opened = os.open(_names(name)[0], os.O_RDWR | is_new, mode, dir_fd=self._nodes[node])
        return self.lookup(node, name) + OPEN_OUT.pack(opened, 0, 0)

    def open(self, node: int, body: bytes) -> bytes:
        access = OPEN_IN.unpack_from(body)[0] & os.O_ACCMODE
        if self.is_read_only and access != os.O_RDONLY:
            raise OSError(errno.EROFS, "read-only")
        return OPEN_OUT.pack(os.open(self._path(node), access), 0, 0)

    def opendir(self, _node: int, _body: bytes) -> bytes:
        return OPEN_OUT.pack(0, 0, 0)

    def release(self, _: int, body: bytes) -> bytes:
        os.close(*struct.unpack_from("<Q", body))
        return b""

    def read(self, _: int, body: bytes) -> bytes:
        file, offset, size = IO_IN.unpack_from(body)
        return os.pread(file, size, offset)

    def write(self, _: int, body: bytes) -> bytes:
        file, offset, size = IO_IN.unpack_from(body)
        return struct.pack("<2I", os.pwrite(file, body[IO_IN.size : IO_IN.size + size], offset), 0)

    def fallocate(self, _: int, body: bytes) -> bytes:
        file, offset, length, mode, _ = FALLOCATE_IN.unpack_from(body)
        if mode:
            raise OSError(errno.EOPNOTSUPP, "only room is made")
        os.posix_fallocate(file, offset, length)
        return b""

    def readdir(self, node: int, body: bytes) -> bytes:
        _, offset, size = IO_IN.unpack_from(body)
        entries = b""
        names = [os.fsencode(path.name) for path in self._path(node).iterdir()]
        for position, name in list(enumerate(names, start=1))[offset:]:
            entry = DIRENT.pack(UNKNOWN_INODE, position, len(name), 0) + name
            entry += bytes(-len(entry) % 8)
            if len(entries) + len(entry) > size:
                break
            entries += entry
        return entries

    def statfs(self, node: int, _: bytes) -> bytes:
        found = os.statvfs(self._path(node))
        blocks = found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree
        return STATFS_OUT.pack(*blocks, found.f_bsize, found.f_namemax, found.f_frsize, 0)

    def _path(self, node: int) -> Path:
        return Path(f"/proc/self/fd/{self._nodes[node]}")

    def _attributes(self, node: int) -> bytes:
        found = os.fstat(self._nodes[node])
        seconds, rest = zip(
            *(divmod(at, 10**9) for at in (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)), strict=True
        )
        owner = found.st_mode, found.st_nlink, found.st_uid, found.st_gid, 0, found.st_blksize, 0
        return ATTR.pack(node, found.st_size, found.st_blocks, *seconds, *rest, *owner)


def _do_nothing(_node: int, _body: bytes) -> bytes:
    return b""


def _names(body: bytes) -> list[bytes]:
    return body.split(b"\0")[:-1]


def mount(directory: Path) -> int:
    """Mount it; returns the descriptor from which requests are read. Raises OSError."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,default_permissions"
    system = ctypes.CDLL(None, use_errno=True)
    if system.mount(b"below", os.fsencode(directory), b"fuse", MS_NOSUID_NODEV, options.encode()):
        raise OSError(ctypes.get_errno(), "FUSE cannot be mounted")
    return device


def serve_one(device: int, folder: Folder) -> None:
    """Answer one request."""
    request = os.read(device, MOST_WRITTEN_BYTES + 4096)
    _, code, unique, node, *_ = IN_HEADER.unpack_from(request)
    if code in UNANSWERED:
        return
    try:
        error, content = 0, folder.answer(code, node, request[IN_HEADER.size :])
    except OSError as refusal:
        error, content = refusal.errno or errno.EIO, b""
    os.write(device, OUT_HEADER.pack(OUT_HEADER.size + len(content), -error, unique) + content)


def main() -> None:
    """Mount the first directory at the second, and serve until the input ends."""
    folder, device = Folder(Path(sys.argv[1])), mount(Path(sys.argv[2]))
    print("mounted", flush=True)
    while True:
        ready, _, _ = select.select([device, sys.stdin], [], [])
        if device in ready:
            serve_one(device, folder)
            continue
        word = sys.stdin.readline().strip()
        if not word:
            return
        folder.is_read_only = word == "read-only"
        print(word, flush=True)


if __name__ == "__main__":
    main()
