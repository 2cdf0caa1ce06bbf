#!/usr/bin/env python3
"""Tests of the lab itself: a run must fail for each of the reasons it is there to find.

A lab that passes everything would look exactly like a lab whose tests all pass. Each test here
boots a guest of its own; all of them take less than a minute.
"""

import pathlib
import shutil
import subprocess
import unittest

REPO = pathlib.Path(__file__).resolve().parent.parent
SCRATCH = REPO / "build" / "lab" / "scratch"  # the guest sees the repository, but not /tmp


@unittest.skipUnless(shutil.which("qemu-system-x86_64"), "GUEST LAB SKIPPED: no QEMU")
class LabRun(unittest.TestCase):
    def run_script(self, text, *arguments, options=()):
        """Runs `text` in a guest; returns the lab's exit status and all that it printed."""
        SCRATCH.mkdir(parents=True, exist_ok=True)
        script = SCRATCH / f"{self._testMethodName}.sh"
        script.write_text(text)
        done = subprocess.run(
            [REPO / "lab" / "lab", "run", *options, script, *arguments],
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout

    def test_passes_output_and_arguments_through(self):
        status, printed = self.run_script('printf "<%s>\\n" "$@"', "one two", "$HOME")
        self.assertEqual((status, printed), (0, "<one two>\n<$HOME>\n"))

    def test_returns_the_exit_status_of_the_script(self):
        status, printed = self.run_script("exit 3")
        self.assertEqual(status, 3)
        self.assertIn("the script's exit status is 3", printed)

    def test_fails_when_the_kernel_warns(self):
        status, printed = self.run_script("echo 'WARNING: CPU: 0' > /dev/kmsg")
        self.assertEqual(status, 1)
        self.assertIn("the kernel complained", printed)

    def test_lets_a_script_allow_a_message(self):
        status, _ = self.run_script(
            "# lab-allow: WARNING: CPU # provoked\necho 'WARNING: CPU: 0' > /dev/kmsg"
        )
        self.assertEqual(status, 0)

    def test_fails_when_the_kernel_panics(self):
        status, printed = self.run_script("echo c > /proc/sysrq-trigger")
        self.assertEqual(status, 1)
        self.assertIn("the guest ended before the script did", printed)
        self.assertIn("Kernel panic", printed)

    def test_fails_when_a_task_is_left_stuck(self):
        # A parent in vfork (system call 58) waits for its child in uninterruptible sleep.
        status, printed = self.run_script(
            "perl -e 'if (syscall(58) == 0) { sleep 60; syscall(60, 0) }' & sleep 1"
        )
        self.assertEqual(status, 1)
        self.assertIn("stuck task: perl", printed)

    def test_stops_a_guest_whose_time_is_up(self):
        status, printed = self.run_script("sleep 600", options=["--timeout", "10"])
        self.assertEqual(status, 1)
        self.assertIn("the time was up", printed)

    def test_fails_a_test_that_does_not_reach_its_end(self):
        status, printed = self.run_script(
            '. "$LAB_REPO/lab/guest/lib.sh"\nok "one check"\necho $undefined\nfinish'
        )
        self.assertEqual(status, 1)
        self.assertIn("not ok - the test ends with finish", printed)

    def test_runs_commands_on_the_machine_beside_the_guest(self):
        status, printed = self.run_script(
            "# lab-host: python3 -m http.server --bind 127.0.0.1 $LAB_PORT\n"
            "# lab-qemu: -netdev user,id=net -device virtio-net-pci,netdev=net,romfile=\n"
            "modprobe virtio_net\n"
            "until ip address add 10.0.2.15/24 dev eth0; do sleep 0.1; done\n"
            "ip link set eth0 up\n"
            'until exec 3<> "/dev/tcp/10.0.2.2/$LAB_PORT"; do sleep 0.1; done\n'
            "printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3\n"
            "head -n 1 <&3\n"
        )
        self.assertEqual(status, 0)
        self.assertIn("HTTP/1.0 200 OK", printed)


if __name__ == "__main__":
    unittest.main()
