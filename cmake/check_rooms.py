#!/usr/bin/env python3
"""Fails when a file includes a room that rooms.txt does not allow it to.

usage: check_rooms.py SOURCE_ROOT

The linker cannot see this (headers are found wherever they lie), so the text is what is checked.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]periprox/([a-z]+)/')
# Third-party headers that reach a socket, a thread or the outside; sans-IO rooms must not see them.
IO_HEADER = re.compile(r'^\s*#\s*include\s*<(sys/socket|sys/epoll|poll|thread|unistd|fcntl|sys/ioctl)\b')
SANS_IO_ROOMS = {"usb", "wire", "session"}


def allowed_includes(root):
    rooms = {}
    for line in (root / "rooms.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, below = line.split(":")
            for room in below.split():
                if room not in rooms:
                    sys.exit(f"rooms.txt: '{name}' may include '{room}', which no line above it defines")
            rooms[name.strip()] = set(below.split())
    return rooms


def main():
    root = pathlib.Path(sys.argv[1])
    rooms = allowed_includes(root)
    wrong = []
    files = 0
    for path in sorted((root / "periprox").rglob("*.[ch]pp")):
        room = path.relative_to(root / "periprox").parts[0]
        if room not in rooms:
            wrong.append(f"{path}: room '{room}' is not in rooms.txt")
            continue
        files += 1
        is_test = path.name.endswith("_test.cpp")
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match and match[1] != room and match[1] not in rooms[room]:
                wrong.append(f"{path}:{number}: '{room}' may not include '{match[1]}'")
            if room in SANS_IO_ROOMS and not is_test and IO_HEADER.match(line):
                wrong.append(f"{path}:{number}: '{room}' must not reach sockets, threads or files")
    if wrong:
        print("\n".join(wrong))
        sys.exit(1)
    print(f"{files} files keep to rooms.txt")


if __name__ == "__main__":
    main()
