#!/usr/bin/env python3
"""The examples as a user meets them: against an installed library, built and then used.

usage: examples_test.py BUILD_FOLDER REPOSITORY

Once through the CMake package, once through pkg-config.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, REPO = (pathlib.Path(each).resolve() for each in sys.argv[1:3])
EXAMPLES = REPO / "examples"


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Serving:
    """A running example."""

    def __init__(self, program):
        self.process = subprocess.Popen([program, "tcp://127.0.0.1:0"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        self.url = "usbip" + re.fullmatch(r"1-1 is on tcp(://\S+)\n", said).group(1) + "/1-1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=60)

    def transfer(self, *words):
        return run(BUILD / "periprox", "transfer", self.url, *words)


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(tempfile.mkdtemp())
        cls.prefix = cls.scratch / "prefix"
        run("cmake", "--install", BUILD, "--component", "development", "--prefix", cls.prefix)
        # The compiler and the flags of the library: sanitizers have to match.
        cache = (BUILD / "CMakeCache.txt").read_text()
        flags = re.search(r"^CMAKE_CXX_FLAGS:\w+=(.*)$", cache, re.MULTILINE).group(1)
        sanitize = re.search(r"^PERIPROX_SANITIZE:\w+=(.*)$", cache, re.MULTILINE)
        if sanitize and sanitize.group(1):
            flags += " -fsanitize=" + sanitize.group(1)
        cls.flags = flags

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    def test_build_with_the_cmake_package_and_work(self):
        built = self.scratch / "built"
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        run("cmake", "-S", EXAMPLES, "-B", built, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_CXX_FLAGS={self.flags}", *launcher)
        run("cmake", "--build", built)

        with Serving(built / "voltmeter") as meter:
            self.assertEqual(meter.transfer("in", "0x81", "2", "--hex").split(), ["64", "00"])
            meter.transfer("control", "0x40", "1", "250", "0", "0")
            readings = [meter.transfer("in", "0x81", "2", "--hex").split() for _ in range(3)]
            self.assertEqual(readings, [["c8", "00"], ["31", "00"], ["95", "00"]])

        with Serving(built / "template") as printer:
            # String 2 in German, and the descriptor set for Windows.
            german = printer.transfer("control", "0x80", "6", "0x0302", "0x0407", "255", "--hex").split()
            self.assertEqual(bytes.fromhex("".join(german[2:])).decode("utf-16-le"), "Drucker")
            windows = printer.transfer("control", "0xc0", "0x20", "0", "7", "255", "--hex").split()
            self.assertIn(b"WINUSB", bytes.fromhex("".join(windows)))

    def test_build_with_pkg_config(self):
        environment = dict(os.environ)
        folders = [str(each.parent) for each in self.prefix.glob("**/periprox.pc")]
        environment["PKG_CONFIG_PATH"] = os.pathsep.join(folders)
        words = run("pkg-config", "--cflags", "--libs", "periprox", env=environment).split()
        program = self.scratch / "voltmeter"
        run("g++", "-std=c++20", *self.flags.split(), EXAMPLES / "voltmeter.cpp", "-o", program, *words)
        with Serving(program) as meter:
            self.assertEqual(meter.transfer("in", "0x81", "2", "--hex").split(), ["64", "00"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
