#!/usr/bin/env python3
"""Runs the real program as a person would, and checks what it prints and how it exits.

usage: program_test.py PROGRAM SOURCE_ROOT [UNITTEST_ARGUMENT...]
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = ""
ROOT = pathlib.Path()
PATIENCE = 60  # Seconds after which something hangs; nothing depends on how fast it is.
VERBS = ["serve", "list", "show", "transfer", "inspect", "attach", "detach", "ports", "export", "check",
         "capture"]
KINDS = ["control", "in", "out"]


def run(*arguments, stdin=b"", **options):
    return subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, timeout=PATIENCE, **options)


class Server:
    """`periprox serve --json` on a free port, ready when this is created."""

    def __init__(self, *devices, listen=("tcp://127.0.0.1:0",), options=()):
        command = [PROGRAM, "serve", *devices, "--json", *options]
        for address in listen:
            command += ["--listen", address]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise AssertionError("the server did not start: " + self.process.stderr.read().decode())
        self.ready = json.loads(line)
        self.port = int(self.ready["listen"][0].rpartition(":")[2]) if listen[0].startswith("tcp") else 0

    def url(self, device=""):
        return f"usbip://127.0.0.1:{self.port}" + ("/" + device if device else "")

    def next_event(self):
        return json.loads(self.process.stdout.readline())

    def wait_for_event(self, kind):
        while True:
            event = self.next_event()
            if event["event"] == kind:
                return event

    def stop(self, number=signal.SIGTERM):
        """Ends it; returns exit code and log."""
        self.process.send_signal(number)
        out, log = self.process.communicate(timeout=PATIENCE)
        self.events = [json.loads(line) for line in out.splitlines()]
        return self.process.returncode, log.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Case(unittest.TestCase):
    maxDiff = None

    def assert_fails(self, result, code, *texts):
        error = result.stderr.decode()
        self.assertEqual(result.returncode, code, error)
        self.assertEqual(result.stdout, b"")
        self.assertTrue(error.startswith("periprox: "), error)
        for text in texts:
            self.assertIn(text, error)

    def assert_done(self, result):
        self.assertEqual(result.stderr.decode(), "")
        self.assertEqual(result.returncode, 0)
        return result.stdout


class Serving(Case):
    def test_the_stock_client_lists_names_speeds_and_interfaces(self):
        usbip = shutil.which("usbip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        self.assertIsNotNone(usbip, "the Debian package usbip is missing")
        with Server("emulated:go_temp", "emulated:zero") as server:
            listed = subprocess.run([usbip, "--tcp-port", str(server.port), "list", "-r", "127.0.0.1"],
                                    capture_output=True, timeout=PATIENCE, text=True)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertRegex(listed.stdout, r"\n +1-1: .*\(08f7:0002\)\n +: /sys/devices/periprox/usb1/1-1\n")
        self.assertRegex(listed.stdout, r"\n +: +0 - .*\(03/00/00\)\n")
        self.assertRegex(listed.stdout, r"\n +1-2: .*\(0525:a4a0\)\n")
        self.assertRegex(listed.stdout, r"\n +: +0 - .*\(ff/00/00\)\n")

    def test_lines_for_people_name_devices_and_listeners(self):
        process = subprocess.Popen([PROGRAM, "serve", "emulated:go_temp?serial=A1", "--listen", "tcp://127.0.0.1:0"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first, second = process.stdout.readline(), process.stdout.readline()
        process.terminate()
        process.communicate(timeout=PATIENCE)
        self.assertRegex(first, r"^1-1  08f7:0002  low speed  .*Go! Temp.*\(emulated:go_temp\?serial=A1\)\n$")
        self.assertRegex(second, r"^listening on tcp://127\.0\.0\.1:\d+\n$")
        self.assertEqual(process.returncode, 0)

    def test_sigterm_and_sigint_end_it_with_0_while_a_client_waits(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number=number), Server("emulated:go_temp?period_ms=60000") as server:
                client = subprocess.Popen([PROGRAM, "transfer", server.url("1-1"), "in", "0x81", "8",
                                           "--count", "2", "--timeout", "60"],
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                server.wait_for_event("imported")
                client.stdout.read(8)  # The first report; the second is a minute away.
                code, log = server.stop(number)
                self.assertEqual(code, 0, log)
                _, error = client.communicate(timeout=PATIENCE)
                self.assertEqual(client.returncode, 1)
                self.assertIn(b"the device is gone", error)

    def test_events_tell_who_uses_a_device(self):
        with Server("emulated:go_temp") as server:
            self.assert_done(run("transfer", server.url("1-1"), "control", "0x80", "0", "0", "0", "2"))
            imported = server.wait_for_event("imported")
            self.assertEqual(imported["busid"], "1-1")
            self.assertTrue(imported["peer"].startswith("127.0.0.1:"))
            self.assertEqual(server.wait_for_event("released")["peer"], imported["peer"])

    def test_ready_line_names_everything(self):
        with Server("emulated:go_temp?serial=X") as server:
            device = server.ready["devices"][0]
        self.assertEqual(device["busid"], "1-1")
        self.assertEqual(device["locator"], "emulated:go_temp?serial=X")
        self.assertEqual((device["idVendor"], device["idProduct"]), ("0x08f7", "0x0002"))
        self.assertEqual((device["speed"], device["serial"]), ("low", "X"))

    def test_a_busy_device_is_refused_and_the_log_names_the_holder(self):
        with Server("emulated:go_temp?period_ms=60000") as server:
            holder = subprocess.Popen([PROGRAM, "transfer", server.url("1-1"), "in", "0x81", "8", "--count", "0"],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            peer = server.wait_for_event("imported")["peer"]
            self.assert_fails(run("show", server.url("1-1")), 1, "in use")
            refused = server.wait_for_event("refused")
            self.assertIn("in use by " + peer, refused["text"])
            holder.kill()
            holder.communicate()
            server.wait_for_event("released")
            self.assert_done(run("show", server.url("1-1")))

    def test_garbage_ends_one_session_with_one_line(self):
        with Server("emulated:go_temp") as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as client:
                client.sendall(b"\0" * 48)
                self.assertEqual(client.recv(1), b"")
            ended = server.wait_for_event("ended")
            self.assertIn("malformed message at offset 0", ended["text"])
            self.assert_done(run("show", server.url("1-1")))
            _, log = server.stop()
        self.assertEqual(log.count("malformed"), 1)

    def test_unix_sockets_serve_and_their_file_goes_away(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/p.sock"
            with Server("emulated:go_temp", listen=("unix://" + path,)) as server:
                self.assertIn(b"1-1", self.assert_done(run("list", "usbip+unix://" + path)))
                self.assert_done(run("show", f"usbip+unix://{path}/1-1"))
                code, _ = server.stop()
            self.assertEqual(code, 0)
            self.assertFalse(os.path.exists(path))

    def test_a_device_of_a_server_can_be_exported_again(self):
        with Server("emulated:go_temp") as behind, Server(behind.url("0x08f7.0x0002")) as front:
            self.assertIn(b"0x08f7", self.assert_done(run("show", front.url("1-1"))))

    def test_listening_beyond_this_machine_is_warned_about(self):
        with Server("emulated:go_temp", listen=("tcp://0.0.0.0:0",)) as server:
            _, log = server.stop()
        self.assertIn("neither encryption nor passwords", log)
        with Server("emulated:go_temp") as server:
            _, log = server.stop()
        self.assertNotIn("encryption", log)

    def test_quiet_and_verbose(self):
        with Server("emulated:go_temp", options=("--quiet",)) as server:
            self.assert_done(run("list", server.url()))
            _, log = server.stop()
        self.assertEqual(log, "")
        with Server("emulated:go_temp", options=("--verbose",)) as server:
            self.assert_done(run("list", server.url()))
            _, log = server.stop()
        self.assertIn(" connected", log)

    def test_serving_goes_on_when_nobody_reads_the_events_any_more(self):
        with Server("emulated:go_temp") as server:
            server.process.stdout.close()
            self.assert_done(run("show", server.url("1-1")))
            self.assert_done(run("show", server.url("1-1")))
            server.process.terminate()
            self.assertEqual(server.process.wait(timeout=PATIENCE), 0)
            server.process.stdout = open(os.devnull, "rb")


class Rings(Case):
    def test_list_show_and_transfer_through_shared_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            ring = f"ring://{folder}/p.ring"
            with Server("emulated:go_temp?celsius=21.5", "emulated:zero", listen=(ring,)) as server:
                self.assertEqual(server.ready["listen"], [ring])
                self.assertIn(b"08f7:0002", self.assert_done(run("list", ring)))
                self.assertIn(b"Go! Temp", self.assert_done(run("show", ring + "/1-1")))
                self.assertEqual(len(self.assert_done(run("transfer", ring + "/1-2?spin_us=0", "in", "0x81", "100000"))),
                                 100000)
                self.assert_done(run("transfer", ring + "?busid=1-2", "out", "0x01", stdin=bytes(100000)))
                self.assertEqual(server.stop()[0], 0)

    def test_what_cannot_be_a_ring(self):
        self.assert_fails(run("serve", "emulated:zero", "--listen", "ring://here"), 2, "names no ring", "try: ")
        self.assert_fails(run("list", "ring:///nowhere/at/all"), 1, "nobody listens there")
        self.assert_fails(run("show", "ring+pci://ffff:ff:1f.7/1-1"), 1, "no ivshmem device")
        self.assert_fails(run("show", "ring:///run/p.ring?busid=1-1&speed=9"), 2, "speed")


class ServingErrors(Case):
    def test_a_port_that_is_taken(self):
        with Server("emulated:go_temp") as server:
            address = server.ready["listen"][0]
            self.assert_fails(run("serve", "emulated:zero", "--listen", address), 1,
                              "cannot listen on " + address, "try: ", "--listen")

    def test_a_socket_path_that_is_not_there(self):
        self.assert_fails(run("serve", "emulated:zero", "--listen", "unix:///nowhere/at/all"), 1,
                          "cannot listen on unix:///nowhere/at/all", "No such file")

    def test_no_permission(self):
        if os.geteuid() != 0:
            result = run("serve", "emulated:zero", "--listen", "unix:///p.sock")
        else:
            with tempfile.TemporaryDirectory() as folder:
                os.chmod(folder, 0o755)
                copy = shutil.copy(PROGRAM, folder)
                result = subprocess.run([copy, "serve", "emulated:zero", "--listen", "unix:///p.sock"],
                                        capture_output=True, timeout=PATIENCE, user=65534, group=65534,
                                        extra_groups=[])
        self.assert_fails(result, 1, "cannot listen on unix:///p.sock", "Permission denied", "try: ", "need root")

    def test_bad_addresses(self):
        self.assert_fails(run("serve", "emulated:zero", "--listen", "127.0.0.1"), 2, "is no address", "try: ")
        self.assert_fails(run("serve", "emulated:zero", "--listen", "tcp://h:70000"), 2, "is no address", "try: ")

    def test_bad_locators(self):
        self.assert_fails(run("serve", "thermometer"), 2, "'thermometer' names no device", "try: ")
        self.assert_fails(run("serve", "emulated:nothing"), 2, "there is no such device", "go_temp", "zero")
        self.assert_fails(run("serve", "emulated:go_temp?celsius=warm"), 2, "celsius", "warm")
        self.assert_fails(run("serve", "usbip://127.0.0.1"), 2, "no device on it", "try: add /BUSID")
        self.assert_fails(run("serve", "recorded:/nowhere/x.pcapng"), 1, "/nowhere/x.pcapng", "No such file")
        self.assert_fails(run("serve", "recorded:"), 2, "the file is missing")

    def test_unknown_devices(self):
        self.assert_fails(run("serve", "250-9.9"), 1, "250-9.9", "try: ")
        with Server("emulated:go_temp") as server:
            self.assert_fails(run("show", server.url("7-7")), 1, "7-7", "try: `periprox list`")
            self.assert_fails(run("show", server.url("0x1111.0x2222")), 1, "no such device", "try: ")

    def test_a_server_that_is_not_there(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        self.assert_fails(run("list", f"usbip://127.0.0.1:{port}"), 1, "cannot connect", "is the server running?")

    def test_the_same_error_as_json(self):
        result = run("show", "emulated:nothing", "--json")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(json.loads(result.stderr)["error"]["why"], "there is no such device")


class Listing(Case):
    def test_a_table_of_what_a_server_exports(self):
        with Server("emulated:go_temp", "emulated:zero?speed=super") as server:
            lines = self.assert_done(run("list", server.url())).decode().splitlines()
        self.assertRegex(lines[0], r"^BUSID +IDS +SPEED +INTERFACES")
        self.assertRegex(lines[1], r"^1-1 +08f7:0002 +low +Human Interface Device")
        self.assertRegex(lines[2], r"^1-2 +0525:a4a0 +super +Vendor Specific")

    def test_json_of_what_a_server_exports(self):
        with Server("emulated:go_temp") as server:
            devices = json.loads(self.assert_done(run("list", server.url(), "--json")))["devices"]
        self.assertEqual(len(devices), 1)
        self.assertEqual(devices[0]["busid"], "1-1")
        self.assertEqual(devices[0]["interfaces"][0]["class"], 3)

    def test_what_can_be_emulated(self):
        text = self.assert_done(run("list", "--emulated")).decode()
        self.assertRegex(text, r"(?m)^emulated:go_temp$")
        self.assertRegex(text, r"(?m)^  celsius=")
        catalog = json.loads(self.assert_done(run("list", "--emulated", "--json")))["emulated"]
        self.assertEqual([device["name"] for device in catalog], re.findall(r"(?m)^emulated:(\S+)$", text))

    def test_devices_here(self):
        self.assertIsInstance(json.loads(self.assert_done(run("list", "--json")))["devices"], list)


class Showing(Case):
    def test_every_descriptor_of_a_served_device_as_text(self):
        with Server("emulated:go_temp") as server:
            remote = self.assert_done(run("show", server.url("1-1"))).decode()
        self.assertEqual(remote, self.assert_done(run("show", "emulated:go_temp")).decode())
        self.assertRegex(remote, r"idVendor +0x08f7")
        self.assertRegex(remote, r"bEndpointAddress +0x81 +1 IN")
        self.assertNotIn("\x1b", remote)

    def test_json_holds_the_same_tree(self):
        shown = json.loads(self.assert_done(run("show", "emulated:zero", "--json")))
        self.assertEqual(shown["idProduct"], "0xa4a0")
        names = [child["name"] for child in shown["description"]["children"]]
        self.assertIn("bDeviceClass", names)

    def test_colours_on_a_terminal_only(self):
        def on_terminal(environment):
            leader, follower = os.openpty()
            process = subprocess.Popen([PROGRAM, "show", "emulated:go_temp"], stdout=follower, env=environment)
            os.close(follower)
            text = b""
            while True:
                try:
                    text += os.read(leader, 65536)
                except OSError:  # What Linux says when the last writer has closed.
                    break
            os.close(leader)
            self.assertEqual(process.wait(timeout=PATIENCE), 0)
            return text

        plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.assertIn(b"\x1b[1m", on_terminal(plain))
        self.assertNotIn(b"\x1b", on_terminal({**plain, "NO_COLOR": "1"}))


class Transferring(Case):
    def test_a_control_request_raw_and_in_hexadecimal(self):
        request = ["control", "0x80", "6", "0x0100", "0", "18"]
        with Server("emulated:go_temp") as server:
            raw = self.assert_done(run("transfer", server.url("1-1"), *request))
            text = self.assert_done(run("transfer", server.url("1-1"), *request, "--hex"))
        self.assertEqual(len(raw), 18)
        self.assertEqual(raw[8:12], bytes.fromhex("f7080200"))
        self.assertEqual(bytes.fromhex(text.decode()), raw)

    def test_reports_as_json_lines(self):
        with Server("emulated:go_temp?celsius=-10.25&period_ms=10") as server:
            out = self.assert_done(run("transfer", server.url("1-1"), "in", "0x81", "8", "--count", "3", "--json"))
        reports = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([report["status"] for report in reports], ["ok"] * 3)
        data = bytes.fromhex(reports[0]["data"])
        self.assertEqual(int.from_bytes(data[2:4], "little", signed=True), -10.25 * 128)

    def test_megabytes_in_and_out(self):
        with Server("emulated:zero?pattern=1") as server:
            data = self.assert_done(run("transfer", server.url("1-1"), "in", "0x81", "3000000"))
            self.assertEqual(data, bytes(i % 512 % 63 for i in range(3000000)))
            sent = run("transfer", server.url("1-1"), "out", "0x01", "--json", stdin=data)
            self.assertEqual(json.loads(self.assert_done(sent))["length"], 3000000)

    def test_data_that_is_not_the_pattern_is_refused_by_the_sink(self):
        # It takes the transfer with the wrong data and halts: the next one is stalled.
        wrong = b"wrong" * 500000
        self.assert_fails(run("transfer", "emulated:zero?pattern=1", "out", "0x01", stdin=wrong), 1, "STALL")

    def test_control_data_from_standard_input(self):
        # Gadget zero keeps what is written (0x5b) and gives it back (0x5c); each run starts anew,
        # so only that it is taken can be seen here.
        write = ["control", "0x40", "0x5b", "0", "0", "4"]
        self.assert_done(run("transfer", "emulated:zero", *write, stdin=b"abcd"))
        self.assert_fails(run("transfer", "emulated:zero", *write, stdin=b"ab"), 2, "2 bytes", "wLength is 4")

    def test_endpoints_of_another_alternate_setting(self):
        self.assert_fails(run("transfer", "emulated:zero", "in", "0x83", "64"), 2, "--setting 0:2")
        data = self.assert_done(run("transfer", "emulated:zero", "in", "0x83", "64", "--setting", "0:2"))
        self.assertEqual(data, bytes(64))
        self.assert_fails(run("transfer", "emulated:zero", "in", "0x81", "64", "--setting", "0:9"), 1, "0:9", "STALL")

    def test_what_a_device_refuses(self):
        self.assert_fails(run("transfer", "emulated:go_temp", "control", "0x80", "6", "0x7700", "0", "4"), 1, "STALL")

    def test_no_data_in_time(self):
        result = run("transfer", "emulated:go_temp?period_ms=60000", "in", "0x81", "8", "--count", "2",
                     "--timeout", "0.05")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stdout), 8)
        self.assertIn(b"did not complete in time", result.stderr)

    def test_endpoints_that_make_no_sense(self):
        self.assert_fails(run("transfer", "emulated:go_temp", "in", "0x82", "8"), 2, "0x81 IN interrupt")
        self.assert_fails(run("transfer", "emulated:go_temp", "in", "0x01", "8"), 2, "is no IN endpoint")
        self.assert_fails(run("transfer", "emulated:go_temp", "in", "0x181", "8"), 2, "more than 255")
        self.assert_fails(run("transfer", "emulated:go_temp", "out", "0x81"), 2, "is no OUT endpoint")
        self.assert_fails(run("transfer", "emulated:zero", "in", "0x82", "8", "--setting", "0:1"), 1, "isochronous")

    def test_output_into_head_ends_quietly(self):
        process = subprocess.Popen([PROGRAM, "transfer", "emulated:zero", "in", "0x81", "512", "--count", "0", "--hex"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()
        self.assertEqual(process.wait(timeout=PATIENCE), 0)

    def test_an_interrupt_ends_an_endless_read_with_0(self):
        process = subprocess.Popen([PROGRAM, "transfer", "emulated:go_temp?period_ms=10", "in", "0x81", "8",
                                    "--count", "0", "--hex"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, error), (0, b""))


def wait_until_it_sleeps(process, function):
    """Waits until a process sleeps in a function of the kernel whose name has that in it."""
    place = ""
    end = time.monotonic() + PATIENCE
    while function not in place:
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < end, "it sleeps in " + place
        time.sleep(0.01)
        place = pathlib.Path(f"/proc/{process.pid}/wchan").read_text(encoding="ascii")


def tshark(file, *arguments):
    program = shutil.which("tshark")
    assert program, "the Debian package tshark is missing"
    done = subprocess.run([program, "-r", file, *arguments], capture_output=True, timeout=PATIENCE, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class Capturing(Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "trace.pcapng")

    def assert_well_formed(self, file):
        self.assertEqual(tshark(file, "-Y", "_ws.malformed || _ws.expert.severity >= 0x600000"), [])

    def test_tshark_decodes_a_served_device_and_its_session(self):
        with Server("emulated:go_temp?celsius=21.5&period_ms=5", "emulated:zero",
                    options=["--capture", self.file]) as server:
            self.assert_done(run("transfer", server.url("1-1"), "in", "0x81", "8", "--count", "5"))
            self.assert_done(run("transfer", server.url("1-2"), "out", "0x01", stdin=bytes(100000)))
            self.assertEqual(server.stop()[0], 0)
        self.assert_well_formed(self.file)
        fields = ["-T", "fields", "-e", "frame.interface_name", "-e", "usb.transfer_type", "-e", "usb.endpoint_address",
                  "-e", "usbhid.data", "-e", "usb.data_len"]
        reports = [line for line in tshark(self.file, "-Y", "usb.urb_type == 'C' && usb.transfer_type == 1", *fields)]
        self.assertGreaterEqual(len(reports), 5)
        # The interface's class came from the descriptors at the start: it is HID data for Wireshark.
        self.assertRegex(reports[0], r"^emulated:go_temp\S*\t0x01\t0x81\t01..c00a00000000\t8$")
        written = tshark(self.file, "-Y", "usb.urb_type == 'S' && usb.transfer_type == 3", *fields)
        self.assertEqual(sum(int(line.split("\t")[-1]) for line in written), 100000)
        comments = tshark(self.file, "-T", "fields", "-e", "frame.comment")
        self.assertTrue(any("used by 127.0.0.1" in line for line in comments))
        self.assertTrue(any("no longer uses it" in line for line in comments))

    def test_a_device_that_is_only_shown(self):
        self.assert_done(run("show", "emulated:zero", "--capture", self.file))
        self.assert_well_formed(self.file)
        descriptors = tshark(self.file, "-Y", "usb.bDescriptorType == 5", "-T", "fields", "-e", "usb.bEndpointAddress")
        self.assertIn("0x82", ",".join(descriptors))

    def test_a_pipe_into_tshark(self):
        with subprocess.Popen([PROGRAM, "transfer", "emulated:zero", "in", "0x81", "1000", "--hex", "--capture", "-"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            seen = subprocess.run(["tshark", "-l", "-i", "-"], stdin=process.stdout, capture_output=True, timeout=PATIENCE)
            process.stdout.close()
            self.assertEqual(len(bytes.fromhex(process.stderr.read().decode())), 1000)
        self.assertIn(b"URB_BULK in", seen.stdout)

    def test_compressed_and_cut(self):
        file = self.file + ".zst"
        self.assert_done(run("transfer", "emulated:zero", "in", "0x81", "100000", "--capture", file, "--snaplen", "16"))
        self.assertLess(os.path.getsize(file), 2000)
        lengths = tshark(file, "-Y", "usb.transfer_type == 3 && usb.urb_type == 'C'", "-T", "fields",
                         "-e", "frame.cap_len", "-e", "frame.len")
        self.assertEqual(lengths, ["80\t100064"])

    def test_a_row_of_files(self):
        self.assert_done(run("transfer", "emulated:zero", "in", "0x81", "512", "--count", "2000", "--capture", self.file,
                             "--capture-size", "256K", "--capture-files", "3"))
        names = sorted(os.listdir(os.path.dirname(self.file)))
        self.assertEqual(names, ["trace.1.pcapng", "trace.2.pcapng", "trace.pcapng"])
        for name in names:
            file = os.path.join(os.path.dirname(self.file), name)
            self.assert_well_formed(file)
            self.assertIn("SET CONFIGURATION", "".join(tshark(file, "-c", "20")))

    def test_files_that_cannot_be_written(self):
        transfer = ["transfer", "emulated:zero", "in", "0x81", "4"]
        self.assert_fails(run(*transfer, "--capture", "/nowhere/trace"), 1, "/nowhere/trace", "No such file")
        full = run(*transfer, "--capture", "/dev/full")
        self.assertEqual((full.returncode, full.stdout), (0, bytes(4)))
        self.assertIn(b"No space left on device", full.stderr)
        self.assert_fails(run(*transfer, "--capture-size", "1M"), 2, "--capture")
        self.assert_fails(run(*transfer, "--capture", "x", "--capture-size", "1K"), 2, "--capture-size")


class Watching(Case):
    """What a server exports, seen from another process."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.server = Server("emulated:go_temp?period_ms=5", "emulated:zero",
                             listen=(f"unix://{self.folder}/socket", "tcp://127.0.0.1:0"))
        self.addCleanup(self.server.__exit__)
        self.device = f"usbip+unix://{self.folder}/socket/1-1"

    def use_the_device(self):
        """A client that reads until this test ends."""
        client = subprocess.Popen([PROGRAM, "transfer", self.device, "in", "0x81", "8", "--count", "0"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        self.server.wait_for_event("imported")
        return client

    def watch(self, *arguments, **options):
        process = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(self.server.wait_for_event("watched")["busid"], "1-1")
        return process

    def read_until(self, stream, text):
        while text not in (line := stream.readline()):
            self.assertTrue(line, "it ends before " + repr(text))

    def test_what_can_be_watched_is_listed(self):
        listed = [json.loads(line) for line in self.assert_done(run("capture", "--list", "--json")).splitlines()]
        mine = [device for device in listed if device["listen"][:1] == [f"unix://{self.folder}/socket"]]
        self.assertEqual([(device["busid"], device["ids"]) for device in mine], [("1-1", "08f7:0002"), ("1-2", "0525:a4a0")])
        self.assertIn(b"Go! Temp", self.assert_done(run("capture", "--list")))

    def test_a_capture_of_what_somebody_else_does(self):
        file = os.path.join(self.folder, "trace.pcapng")
        self.use_the_device()
        watcher = self.watch("capture", self.device, file)
        while not os.path.exists(file) or os.path.getsize(file) < 4000:
            self.assertIsNone(watcher.poll())
        watcher.send_signal(signal.SIGINT)
        self.assertEqual(watcher.wait(timeout=PATIENCE), 0)
        shown = self.assert_done(run("inspect", file)).decode()
        self.assertIn("GET_DESCRIPTOR configuration", shown)
        self.assertGreater(shown.count("HID report:"), 5)
        self.assertNotIn("missing", shown)
        # The server still serves, and says who watches.
        self.assertIn("watches no more", self.server.wait_for_event("watched")["text"])

    def test_a_pipe_into_tshark_while_the_device_is_used(self):
        self.use_the_device()
        watcher = self.watch("capture", self.server_address(), "-")
        tshark = subprocess.run(["tshark", "-l", "-i", "-", "-c", "40", "-T", "fields", "-e", "usbhid.data"],
                                stdin=watcher.stdout, capture_output=True, timeout=PATIENCE)
        self.assertIn(b"01", tshark.stdout)
        watcher.stdout.close()
        self.assertEqual(watcher.wait(timeout=PATIENCE), 0)

    def server_address(self):
        """Of its second listener."""
        return self.server.ready["listen"][1].replace("tcp://", "usbip://") + "/0x08f7.0x0002"

    def test_inspect_shows_it_as_it_passes(self):
        watcher = self.watch("inspect", self.device)
        self.use_the_device()
        self.read_until(watcher.stdout, b"HID report:")
        watcher.send_signal(signal.SIGINT)
        rest, error = watcher.communicate(timeout=PATIENCE)
        self.assertEqual((watcher.returncode, error), (0, b""))
        self.assertRegex(rest.decode(), r"81 interrupt +\d+ transfers, 0 errors")

    def test_it_ends_with_its_server(self):
        watcher = self.watch("capture", self.device, os.path.join(self.folder, "trace.pcapng"))
        self.assertEqual(self.server.stop()[0], 0)
        self.assertIn(b"1-1 is gone", watcher.communicate(timeout=PATIENCE)[1])
        self.assertEqual(watcher.returncode, 0)
        self.assert_done(run("inspect", os.path.join(self.folder, "trace.pcapng")))

    def test_a_watcher_that_reads_nothing_holds_nobody_up(self):
        self.use_the_device()
        watcher = self.watch("capture", self.device, "-")
        self.assert_done(run("transfer", self.device.replace("1-1", "1-2"), "in", "0x81", "1048576", "--count", "64",
                             "--json"))
        watcher.stdout.close()

    def test_wireshark_lists_and_captures_it(self):
        subprocess.run(["cmake", "--install", os.path.dirname(PROGRAM), "--component", "wireshark", "--prefix",
                        self.folder], check=True, capture_output=True, timeout=PATIENCE)
        scripts = list(pathlib.Path(self.folder).glob("lib*/**/wireshark/extcap/periprox"))
        self.assertEqual(len(scripts), 1)
        os.mkdir(os.path.join(self.folder, "bin"))
        os.symlink(PROGRAM, os.path.join(self.folder, "bin/periprox"))
        personal = os.path.join(self.folder, "home/.config/wireshark/extcap")
        os.makedirs(personal)
        os.symlink(scripts[0], os.path.join(personal, "periprox"))
        home = {**os.environ, "HOME": os.path.join(self.folder, "home"), "XDG_CONFIG_HOME": ""}
        self.use_the_device()
        for _ in range(5):  # Servers of others that export a 1-1, too, come and go, and change the name.
            listed = subprocess.run(["tshark", "-D"], capture_output=True, timeout=PATIENCE, env=home, text=True)
            process = self.server.process.pid
            names = re.findall(rf"(?m)^\d+\. (periprox-1-1(?:@{process})?) \(USB 1-1 .*Go! Temp", listed.stdout)
            self.assertTrue(names, listed.stdout + listed.stderr)
            captured = subprocess.run(["tshark", "-i", names[-1], "-c", "30", "-T", "fields", "-e", "usbhid.data"],
                                      capture_output=True, timeout=PATIENCE, env=home)
            if captured.returncode == 0:
                break
        self.assertEqual(captured.returncode, 0, captured.stderr)
        self.assertIn(b"01", captured.stdout)

    def test_extcap_answers_in_wiresharks_sentences(self):
        links = self.assert_done(run("extcap", "--extcap-interface", "periprox-1-1", "--extcap-dlts"))
        self.assertTrue(links.startswith(b"dlt {number=220}{name=USB_LINUX_MMAPPED}{display="))
        options = self.assert_done(run("extcap", "--extcap-interface=periprox-1-1", "--extcap-config"))
        self.assertTrue(options.startswith(b"arg {number=0}{call=--snaplen}"))
        self.assertTrue(self.assert_done(run("extcap", "--extcap-interfaces", "--extcap-version=9.9", "--new"))
                        .startswith(b"extcap {version="))
        self.assert_fails(run("extcap", "--extcap-interface", "periprox-9-9", "--capture", "--fifo", "/nowhere"),
                          1, "no longer exported")

    def test_what_cannot_be_watched(self):
        self.assert_fails(run("capture", "usbip://127.0.0.1:1/1-1", "-"), 1, "no server on this machine", "--list")
        self.assert_fails(run("capture", self.device.replace("1-1", "1-9"), "-"), 1, "1-9")
        self.assert_fails(run("inspect", "usbip://127.0.0.1:1/1-1"), 1, "cannot watch")
        self.assert_fails(run("capture", "1-1"), 2, "no file was given")
        self.assert_fails(run("capture"), 2, "no device was given")
        self.assert_fails(run("capture", self.device, "/nowhere/trace.pcapng"), 1, "/nowhere/trace.pcapng")

    def test_two_devices_of_that_name(self):
        with Server("emulated:go_temp", listen=(f"unix://{self.folder}/other",)) as other:
            self.assert_fails(run("capture", "1-1", "-"), 2, "several devices", "1-1@")
            process = self.watch("capture", f"1-1@{self.server.process.pid}", os.path.join(self.folder, "one"))
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=PATIENCE), 0)
            self.assertEqual(other.stop()[0], 0)

    def test_a_capture_that_is_interrupted_before_its_server_answers(self):
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        process = subprocess.Popen([PROGRAM, "capture", self.device, fifo], stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        wait_until_it_sleeps(process, "wait_for_partner")
        self.server.process.send_signal(signal.SIGSTOP)
        with open(fifo, "rb") as reader:
            wait_until_it_sleeps(process, "poll")
            process.send_signal(signal.SIGTERM)
            self.server.process.send_signal(signal.SIGCONT)
            reader.read()
        self.assertEqual((process.wait(timeout=PATIENCE), process.stderr.read()), (0, b""))


class Disturbing(Case):
    def reports(self, *faults, count=6, options=()):
        arguments = [word for fault in faults for word in ("--fault", fault)]
        return run("transfer", "emulated:go_temp?celsius=21.5&period_ms=5", "in", "0x81", "8", "--count", str(count),
                   "--json", *arguments, *options)

    def assert_refused(self, rule, *texts):
        self.assert_fails(run("transfer", "emulated:zero", "in", "0x81", "4", "--fault", rule), 2, *texts, "try: ")

    def test_the_third_report_is_stalled_and_the_capture_says_why(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "trace.pcapng")
            result = self.reports("stall,ep=0x81,nth=3", options=["--capture", file])
            comments = tshark(file, "-Y", "usb.urb_status == -32", "-T", "fields", "-e", "frame.comment")
        self.assertEqual(result.returncode, 1)
        self.assertEqual([json.loads(line)["status"] for line in result.stdout.splitlines()], ["ok", "ok", "stalled"])
        self.assertIn(b"was injected 1 time\n", result.stderr)
        self.assertEqual(comments, ["PeriProx: fault 'stall,ep=0x81,nth=3': stalled"])

    def test_a_seed_repeats_a_run(self):
        first = self.reports("corrupt=2,p=0.5", count=30)
        seed = re.search(rb"--seed (\d+) repeats", first.stderr)[1].decode()
        self.assertEqual(self.reports("corrupt=2,p=0.5", count=30, options=["--seed", seed]).stdout, first.stdout)
        other = str(int(seed) + 1)
        self.assertNotEqual(self.reports("corrupt=2,p=0.5", count=30, options=["--seed", other]).stdout, first.stdout)

    def test_rules_in_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write('seed = 5\n[[fault]]\ntruncate = 3\nep = 0x81\nnth = "2+"\n')
            file.flush()
            result = self.reports(file.name, count=3)
            self.assertIn(b"--seed 5 repeats", result.stderr)
            self.assertEqual([json.loads(line)["length"] for line in result.stdout.splitlines()], [8, 3, 3])
            file.write("[[fault]]\nexplode = true\n")
            file.flush()
            self.assert_refused(file.name, "'explode' is no action")
            file.write("colour = [\n")
            file.flush()
            self.assert_refused(file.name, "cannot read the faults", "line ")

    def test_a_device_that_goes_away_and_comes_back(self):
        with Server("emulated:go_temp?period_ms=5", options=["--fault", "disconnect=100ms,ep=0x81,nth=2"]) as server:
            broken = run("transfer", server.url("1-1"), "in", "0x81", "8", "--count", "3", "--hex")
            self.assertEqual((broken.returncode, len(broken.stdout.splitlines())), (1, 1), broken.stderr)
            server.wait_for_event("plugged")
            out = self.assert_done(run("transfer", server.url("1-1"), "in", "0x81", "8", "--count", "3", "--json"))
            self.assertEqual(len(out.splitlines()), 3)

    def test_rules_that_make_no_sense(self):
        self.assert_refused("explode", "'explode' is no action", "disconnect")
        self.assert_refused("stall,p=2", "probability")
        self.assert_refused("nowhere.toml", "nowhere.toml", "No such file")
        self.assert_fails(run("transfer", "emulated:zero", "in", "0x81", "4", "--seed", "1"), 2, "--fault")


class Limiting(Case):
    def assert_refused(self, rule, *texts):
        self.assert_fails(run("transfer", "emulated:zero", "in", "0x81", "4", "--limit", rule), 2, *texts, "try: ")

    def test_limits_that_are_not_reached_change_nothing(self):
        limits = [word for rule in ("urbs=1M", "bytes=1G", "breaker", "orphans") for word in ("--limit", rule)]
        with Server("emulated:zero", options=limits) as server:
            for _ in range(2):
                out = self.assert_done(run("transfer", server.url("1-1"), "in", "0x81", "65536", "--count", "20"))
                self.assertEqual(len(out), 20 * 65536)

    def test_what_a_rate_holds_back_is_not_lost(self):
        out = self.assert_done(run("transfer", "emulated:zero", "in", "0x81", "1000", "--count", "9", "--limit", "bytes=50k"))
        self.assertEqual(len(out), 9000)

    def test_a_breaker_leaves_a_failing_device_alone_and_finds_it_working_again(self):
        rules = ["--fault", "error,ep=0x81,times=1", "--limit", "breaker=1%,least=1,within=3600s,pause=100ms"]
        with Server("emulated:zero", options=rules) as server:
            read = ["transfer", server.url("1-1"), "in", "0x81", "4"]
            self.assert_fails(run(*read), 1, "protocol error")
            end = time.monotonic() + PATIENCE
            while run(*read).returncode != 0:
                self.assertLess(time.monotonic(), end, "the device is never asked again")
            _, log = server.stop()
        self.assertRegex(log, "emulated:zero: 1 of its last .* it is left alone for 0.1 s")
        self.assertIn("emulated:zero: it works again; everything passes", log)

    def test_rules_that_make_no_sense(self):
        self.assert_refused("speed=1", "'speed' limits nothing", "orphans")
        self.assert_refused("bytes=lots", "how many a second")
        self.assert_fails(run("transfer", "emulated:zero", "in", "0x81", "4", "--limit", "urbs=5", "--limit", "urbs=6"), 2,
                          "another one of its kind")


class Inspecting(Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def capture(self, name, *arguments, code=0):
        file = os.path.join(self.folder, name)
        result = run("transfer", *arguments, "--capture", file)
        self.assertEqual(result.returncode, code, result.stderr)
        return file

    def thermometer(self, name, celsius="21.5", *arguments, code=0):
        return self.capture(name, f"emulated:go_temp?celsius={celsius}&period_ms=5", "in", "0x81", "8",
                            "--count", "4", *arguments, code=code)

    def test_a_timeline_names_what_passes(self):
        text = self.assert_done(run("inspect", self.thermometer("a.pcapng"))).decode()
        self.assertRegex(text, r"(?m)^device 0\.1 on emulated:go_temp\S*: 08f7:0002")
        self.assertIn("GET_DESCRIPTOR configuration 0: 09 02", text)
        self.assertRegex(text, r"(?m)^ +bInterfaceClass +0x03  Human Interface Device$")
        self.assertIn('GET_DESCRIPTOR string 2: "Go! Temp ver 1.53"', text)
        self.assertRegex(text, r"81 in  interrupt +8 ok .* HID report: 01 00 c0 0a")
        self.assertRegex(text, r"(?m)^  81 interrupt +4 transfers, 0 errors, 32 bytes")
        self.assertNotIn("\x1b", text)

    def test_errors_and_filters(self):
        file = self.thermometer("a.pcapng", "21.5", "--fault", "stall,nth=3", code=1)
        lines = [json.loads(line) for line in run("inspect", file, "--errors", "--json").stdout.splitlines()]
        self.assertEqual([line.get("status") for line in lines], ["stalled", None])
        self.assertEqual(lines[0]["comments"], ["PeriProx: fault 'stall,nth=3': stalled"])
        self.assertEqual(lines[1]["figures"]["errors"], 1)
        only = [json.loads(line) for line in run("inspect", file, "--endpoint", "0", "--json").stdout.splitlines()]
        self.assertEqual({line["type"] for line in only if "type" in line}, {"control"})
        late = run("inspect", file, "--type", "interrupt", "--from", "0.005", "--json").stdout.splitlines()
        self.assertLess(len(late), 4)
        self.assert_fails(run("inspect", file, "--type", "bulky"), 2, "'bulky' is no transfer type")

    def test_two_captures_that_say_the_same_and_two_that_do_not(self):
        one, two = self.thermometer("a.pcapng"), self.thermometer("b.pcapng")
        self.assertEqual(self.assert_done(run("inspect", one, two)), b"the captures say the same: 4 transfers\n")
        other = run("inspect", one, self.thermometer("c.pcapng", "30"))
        self.assertEqual(other.returncode, 1)
        self.assertRegex(other.stdout.decode(), r"endpoint 81, its transfer 1:\n  A .* c0 0a .*\n  B .* 00 0f")
        self.assertIn(b"the captures differ", other.stderr)

    def test_compressed_cut_and_foreign_files(self):
        file = self.thermometer("a.pcapng.zst")
        self.assertIn(b"4 transfers", self.assert_done(run("inspect", file, "--summary")))
        plain = self.thermometer("a.pcapng")
        with open(plain, "r+b") as stream:
            stream.truncate(os.path.getsize(plain) - 50)
        cut = run("inspect", plain)
        self.assertEqual(cut.returncode, 1)
        self.assertIn(b"HID report", cut.stdout)
        self.assertIn(b"it ends within a packet", cut.stderr)
        self.assert_fails(run("inspect", __file__), 1, "neither as a pcapng nor as a pcap file")
        self.assert_fails(run("inspect", "/nowhere"), 1, "/nowhere", "No such file")

    def test_it_follows_a_pipe(self):
        writer = subprocess.Popen([PROGRAM, "transfer", "emulated:go_temp?period_ms=5", "in", "0x81", "8", "--count", "0",
                                   "--capture", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        reader = subprocess.Popen([PROGRAM, "inspect", "-", "--follow"], stdin=writer.stdout, stdout=subprocess.PIPE)
        writer.stdout.close()
        while b"HID report" not in reader.stdout.readline():
            pass
        writer.send_signal(signal.SIGINT)
        self.assertEqual(writer.wait(timeout=PATIENCE), 0)
        reader.send_signal(signal.SIGINT)
        self.assertIn(b"transfers", reader.communicate(timeout=PATIENCE)[0])
        self.assertEqual(reader.returncode, 0)


class Playing(Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "trace.pcapng")
        self.device = f"recorded:{self.file}?timing=fast"

    def read(self, device, *options, count=4):
        return run("transfer", device, "in", "0x81", "8", "--count", str(count), "--hex", *options)

    def test_a_thermometer_lives_on_in_its_capture(self):
        live = self.assert_done(self.read("emulated:go_temp?celsius=21.5&period_ms=5", "--capture", self.file))
        self.assertEqual(self.assert_done(self.read(self.device)), live)
        shown = self.assert_done(run("show", self.device)).decode()
        self.assertRegex(shown, r"idVendor +0x08f7")
        self.assertIn("Go! Temp", shown)
        with Server(self.device) as server:
            self.assertEqual(self.assert_done(self.read(server.url("1-1"))), live)

    def test_two_runs_are_the_same_byte_for_byte(self):
        self.assert_done(self.read("emulated:go_temp?ramp=20:40:0.5&period_ms=5", "--capture", self.file, count=20))
        copies = [self.file + name for name in (".1.pcapng", ".2.pcapng")]
        for copy in copies:
            self.assert_done(self.read(self.device, "--capture", copy, count=20))
        self.assertIn(b"say the same: 20 transfers", self.assert_done(run("inspect", *copies)))

    def test_what_was_never_asked(self):
        self.assert_done(self.read("emulated:go_temp?period_ms=5", "--capture", self.file))
        vendor = ["control", "0xc0", "7", "0", "0", "4"]
        nearest = run("transfer", self.device, *vendor)
        self.assertEqual(nearest.returncode, 1)
        self.assertIn(b"the recording has no vendor request 0x07", nearest.stderr)
        gone = run("transfer", self.device + "&on_miss=stop", *vendor)
        self.assertEqual(gone.returncode, 1)
        self.assertNotIn(b"STALL", gone.stderr)

    def test_settings_that_make_no_sense(self):
        self.assert_done(self.read("emulated:go_temp?period_ms=5", "--capture", self.file))
        for setting, text in (("timing=slow", "timing"), ("on_miss=guess", "on_miss"), ("colour=red", "colour"),
                              ("timing=x0", "timing")):
            self.assert_fails(run("show", f"recorded:{self.file}?{setting}"), 2, text)
        self.assert_fails(run("show", f"recorded:{self.file}?device=7.7"), 1, "7.7", "it has 0.1")
        self.assert_fails(run("show", f"recorded:{__file__}"), 1, "neither as a pcapng nor as a pcap file")


class Stories(Case):
    """docs/see-and-play-back.md, each story in a folder of its own."""

    def run_story(self, title):
        text = (ROOT / "docs/see-and-play-back.md").read_text()
        story = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        blocks = re.findall(r"```bash\n(.*?)```\n\n```text\n(.*?)```", story, re.S)
        self.assertTrue(blocks, title)
        environment = {**os.environ, "PATH": os.path.dirname(PROGRAM) + ":" + os.environ.get("PATH", "")}
        with tempfile.TemporaryDirectory() as folder:
            for commands, expected in blocks:
                done = subprocess.run(["bash", "-c", commands], cwd=folder, env=environment, capture_output=True,
                                      timeout=PATIENCE, text=True)
                place = 0
                for line in expected.splitlines():
                    pattern = re.escape(line.strip()).replace(r"\.\.\.", ".*").replace(r"\ ", r"\s+")
                    found = re.compile(pattern).search(done.stdout, place)
                    self.assertIsNotNone(found, f"{line!r} is not (there) in:\n{done.stdout}{done.stderr}")
                    place = found.end()

    def test_a_thermometer(self):
        self.run_story("A thermometer that nobody documented")

    def test_faults(self):
        self.run_story("What a driver does when things go wrong")

    def test_a_regression_test(self):
        self.run_story("A regression test out of a capture")


class Checking(Case):
    def verdicts(self, result):
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return {line["case"]: line for line in lines[:-1]}, lines[-1]

    def test_our_own_server_passes_every_case(self):
        with Server("emulated:zero", options=["--quiet"]) as server:
            cases, counts = self.verdicts(run("check", server.url("1-1"), "--yes", "--json"))
        self.assertEqual({name: case["reason"] for name, case in cases.items() if case["verdict"] != "pass"}, {})
        self.assertEqual(counts, {"passed": len(cases), "failed": 0, "not_applicable": 0})
        self.assertGreater(len(cases), 130)

    def test_a_device_without_bulk_endpoints_says_what_does_not_apply(self):
        with Server("emulated:go_temp", options=["--quiet"]) as server:
            cases, counts = self.verdicts(run("check", server.url("1-1"), "--yes", "--json"))
        self.assertEqual(counts["failed"], 0, [case for case in cases.values() if case["verdict"] == "fail"])
        self.assertEqual(cases["bulk.in_1m"]["verdict"], "not applicable")
        self.assertIn("bulk IN", cases["bulk.in_1m"]["reason"])

    def test_without_yes_the_device_is_only_read(self):
        with Server("emulated:zero", options=["--quiet"]) as server:
            cases, counts = self.verdicts(run("check", server.url("1-1"), "--json"))
        self.assertEqual(counts["failed"], 0)
        for case in cases.values():
            self.assertEqual(case["verdict"] == "not applicable", case["needs_yes"], case)

    def test_a_server_that_fails_is_exit_code_1_with_reason_and_reference(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            hanging = f"usbip://127.0.0.1:{listener.getsockname()[1]}/1-1"
            result = run("check", hanging, "-k", "op.list_unique", "--timeout", "0.2")
        self.assertEqual(result.returncode, 1)
        self.assertIn("FAIL  op.list_unique", result.stdout.decode())
        self.assertIn("no DEVLIST reply within 0.2 s", result.stdout.decode())
        self.assertIn("usbip_protocol.rst", result.stdout.decode())
        self.assertIn("1 of 1 cases failed", result.stderr.decode())

    def test_cases_are_listed_with_references(self):
        listed = self.assert_done(run("check", "--list", "-k", "unlink.pending")).decode()
        self.assertRegex(listed, r"^unlink\.pending +--yes +answers .*-104.*\n +linux: ")
        for line in self.assert_done(run("check", "--list", "--json")).splitlines():
            self.assertTrue(json.loads(line)["reference"])

    def test_docs_have_every_case(self):
        text = (ROOT / "docs/conformance.md").read_text()
        for line in self.assert_done(run("check", "--list", "--json")).splitlines():
            case = json.loads(line)
            self.assertIn(f"| `{case['case']}`{' *' if case['needs_yes'] else ''} | {case['what']} |", text)

        for line in self.assert_done(run("check", "--client", "--list", "--json")).splitlines():
            case = json.loads(line)
            self.assertIn(f"| `{case['case']}` | {case['what']} |", text)

    def test_our_own_client_passes_every_case(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        # It gives a silent server 15 s, twice.
        command = [PROGRAM, "check", "--client", "--listen", f"tcp://127.0.0.1:{port}", "--json",
                   "--skip", "client.unlink", "--skip", "client.unlink_too_late"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as checker:
            attempts = 0
            while checker.poll() is None and attempts < 200:
                run("show", f"usbip://127.0.0.1:{port}/1-1")
                attempts += 1
            out = checker.stdout.read()
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([line for line in lines if line.get("verdict") == "fail"], [])
        self.assertGreater(lines[-1]["passed"], 20)

    def test_a_client_that_stays_though_refused_fails(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        command = [PROGRAM, "check", "--client", "--listen", f"tcp://127.0.0.1:{port}", "-k", "client.refused",
                   "--timeout", "0.2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as checker:
            self.assertIn(b"attach 1-1 from", checker.stdout.readline())
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(bytes.fromhex("0111800300000000") + b"1-1".ljust(32, b"\0"))
                out, error = checker.communicate(timeout=PATIENCE)
        self.assertIn(b"FAIL  client.refused", out)
        self.assertIn(b"the client does not conform", error)
        self.assertEqual(checker.returncode, 1)

    def test_wrong_usage(self):
        self.assert_fails(run("check", "--client", "usbip://127.0.0.1/1-1"), 2, "there is no DEVICE")
        self.assert_fails(run("check", "--client", "--listen", "vsock://any:1"), 2, "TCP and Unix sockets only")
        deserted = run("check", "--client", "--listen", "tcp://127.0.0.1:0", "--timeout", "0.1")
        self.assertEqual(deserted.returncode, 1)
        self.assertIn("no client came", deserted.stderr.decode())
        self.assert_fails(run("check"), 2, "DEVICE is missing")
        self.assert_fails(run("check", "emulated:zero"), 2, "it is at no server")
        self.assert_fails(run("check", "usbip://127.0.0.1/0x0525.0xa4a0"), 2, "bus id")
        self.assert_fails(run("check", "--list", "-k", "nothing"), 2, "no case")
        self.assert_fails(run("check", "usbip://127.0.0.1/1-1", "--skip", "nothing"), 2, "no such case")
        self.assert_fails(run("check", "usbip://127.0.0.1:1/1-1"), 1, "cannot connect")


class CommandLine(Case):
    def test_wrong_usage_exits_with_2_and_points_to_help(self):
        self.assert_fails(run(), 2, "no verb", "try: ")
        self.assert_fails(run("frobnicate"), 2, "'frobnicate' is no verb", "lists the verbs")
        self.assert_fails(run("serve"), 2, "DEVICE", "periprox serve --help")
        self.assert_fails(run("show"), 2, "DEVICE", "periprox show --help")
        self.assert_fails(run("transfer", "emulated:zero"), 2, "periprox transfer --help")
        self.assert_fails(run("transfer", "emulated:zero", "in"), 2, "ENDPOINT", "periprox transfer in --help")
        self.assert_fails(run("list", "--nonsense"), 2, "--nonsense", "periprox list --help")
        self.assert_fails(run("list", "--emulated", "usbip://h"), 2)
        self.assert_fails(run("serve", "emulated:zero", "--quiet", "--verbose"), 2)
        self.assert_fails(run("show", "emulated:zero", "--timeout", "-1"), 2, "timeout")

    def test_version(self):
        version = re.search(r"project\(periprox VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
        self.assertEqual(self.assert_done(run("--version")).decode(), f"periprox {version}\n")
        for page in sorted((ROOT / "docs/man").glob("*.1")):
            self.assertIn(f'"PeriProx {version}"', page.read_text(), page.name)

    def test_help_has_examples(self):
        for verb in [None, *VERBS]:
            arguments = [verb, "--help"] if verb else ["--help"]
            self.assertIn("Examples:\n  periprox ", self.assert_done(run(*arguments)).decode(), verb)


class Exporting(Case):
    def test_a_command_exports_to_a_program(self):
        device = f"usbip+exec:{PROGRAM} export 'emulated:go_temp?celsius=20'"
        report = self.assert_done(run("transfer", device, "in", "0x81", "8"))
        self.assertEqual(len(report), 8)

    def test_two_pipes_serve_as_well_as_a_socket(self):
        exporter = subprocess.Popen([PROGRAM, "export", "emulated:go_temp"], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertRegex(exporter.stdout.readline().decode(), r"^\d+ 1\.5\n$")
        exporter.stdin.close()
        self.assertEqual(exporter.wait(timeout=PATIENCE), 0)
        exporter.stdout.close()
        exporter.stderr.close()

    def test_what_is_exported_can_be_captured_and_watched(self):
        with tempfile.TemporaryDirectory() as folder:
            own, watched = folder + "/own.pcapng", folder + "/watched.pcapng"
            locator = "emulated:go_temp?period_ms=5&serial=" + os.path.basename(folder)
            reader = subprocess.Popen([PROGRAM, "transfer", f"usbip+exec:{PROGRAM} export '{locator}' --capture {own}", "in",
                                       "0x81", "8", "--count", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            reader.stdout.read(8)
            watcher = subprocess.Popen([PROGRAM, "capture", locator, watched], stderr=subprocess.PIPE)
            while not os.path.exists(watched) or os.path.getsize(watched) < 4000:
                self.assertIsNone(watcher.poll())
                reader.stdout.read1(4096)
            reader.terminate()
            reader.communicate(timeout=PATIENCE)
            # It ends with the connection over which the device is exported.
            self.assertEqual(watcher.wait(timeout=PATIENCE), 0, watcher.communicate()[1])
            watcher.stderr.close()
            for file in (own, watched):
                shown = self.assert_done(run("inspect", file)).decode()
                self.assertIn("GET_DESCRIPTOR configuration", shown)
                self.assertGreater(shown.count("HID report:"), 5)
        self.assert_fails(run("export", "emulated:zero", "--capture", "-"), 2, "standard output", "try: ")

    def test_a_connected_descriptor_is_a_device(self):
        ours, theirs = socket.socketpair()
        exporter = subprocess.Popen([PROGRAM, "export", "emulated:zero"], stdin=theirs, stdout=theirs,
                                    stderr=subprocess.DEVNULL)
        theirs.close()
        shown = subprocess.run([PROGRAM, "show", "usbip+fd:0"], stdin=ours, capture_output=True, timeout=PATIENCE)
        ours.close()
        self.assertIn("0525", self.assert_done(shown).decode())
        self.assertEqual(exporter.wait(timeout=PATIENCE), 0)

    def test_a_command_that_announces_nothing_is_an_error(self):
        self.assert_fails(run("show", "usbip+exec:true"), 1, "ended before it announced a device")
        self.assert_fails(run("show", "usbip+exec:echo Permission denied"), 1, "does not announce a device")

    def test_a_descriptor_that_is_not_open_is_an_error(self):
        self.assert_fails(run("show", "usbip+fd:77"), 2, "cannot use descriptor 77")

    def test_export_refuses_what_does_not_exist_and_interfaces(self):
        result = run("export", "1-1:1.0")
        self.assert_fails(result, 2, "1-1:1.0")
        self.assert_fails(run("export", "emulated:nothing"), 2, "nothing")


class Importing(Case):
    """What attaching says on a machine without virtual ports; the guest lab has some."""

    def setUp(self):
        if os.path.exists("/sys/devices/platform/vhci_hcd.0"):
            self.skipTest("this machine has virtual ports, which a test must not touch")

    def test_every_verb_names_the_remedy(self):
        for arguments in (["attach", "emulated:zero"], ["attach", "emulated:zero", "--background"],
                          ["detach", "0"], ["ports"]):
            self.assert_fails(run(*arguments), 1, "vhci_hcd", "try: ")

    def test_detach_wants_a_port(self):
        self.assert_fails(run("detach"), 2, "no port was given")
        self.assert_fails(run("detach", "0", "--all"), 2)

    def test_attach_refuses_contradictions(self):
        self.assert_fails(run("attach", "emulated:zero", "--direct", "--background"), 2)
        self.assert_fails(run("attach", "emulated:zero", "--silence", "1"), 2, "less than 3 seconds")
        self.assert_fails(run("attach"), 2)


def options_in_help(*verb):
    # Only the list of options: its lines start with two blanks and an option.
    text = run(*verb, "--help").stdout.decode()
    options = set()
    for line in re.findall(r"(?m)^  (-\S+)", text):
        options.update(option for option in line.split(",") if option.startswith("--"))
    assert "--help" in options, text
    return options


class ManPagesAndCompletion(Case):
    def all_options(self):
        """Of each verb, with those of its kinds."""
        options = {verb: options_in_help(verb) for verb in VERBS}
        for kind in KINDS:
            options["transfer"] |= options_in_help("transfer", "-", kind)
        options[""] = options_in_help()
        return options

    def test_the_man_page_of_each_verb_has_each_option(self):
        for verb, options in self.all_options().items():
            page = (ROOT / "docs/man" / f"periprox{'-' + verb if verb else ''}.1").read_text().replace("\\-", "-")
            documented = set(re.findall(r"(?m)^\.(?:B|BI|BR) .*?(--[a-z-]+)", page))
            for option in options:
                self.assertIn(option, documented, f"{verb}: {option} has no paragraph in the man page")
            mentioned = set(re.findall(r"--[a-z][a-z-]*", page))
            known = options | {"--emulated", "--help", "--hex"} if verb == "" else options
            self.assertEqual(mentioned - known, set(), f"{verb}: the man page has options that don't exist")

    def test_the_first_man_page_has_each_verb(self):
        page = (ROOT / "docs/man/periprox.1").read_text()
        listed = re.findall(r"(?m)^  ([a-z]+) ", run("--help").stdout.decode().partition("Subcommands:")[2].partition("\n\n")[0])
        self.assertEqual(listed, VERBS)
        for verb in listed:
            self.assertRegex(page, rf"(?m)^\.B {verb}$")

    def test_bash_completes_each_verb_and_option(self):
        for verb, options in self.all_options().items():
            kinds = ["", *KINDS] if verb == "transfer" else [""]
            words = set()
            for kind in kinds:
                line = ["periprox", *([verb] if verb else []), *(["emulated:zero", kind] if kind else [])]
                words |= self.complete_in_bash(line, "--")
            self.assertEqual(words, options, verb)
        self.assertLessEqual(set(VERBS), self.complete_in_bash(["periprox"], ""))
        self.assertEqual(self.complete_in_bash(["periprox", "transfer", "emulated:zero"], "con"), {"control"})

    def test_bash_completes_the_names_of_emulated_devices(self):
        self.assertEqual(self.complete_in_bash(["periprox", "serve"], "emulated:z"), {"emulated:zero"})

    def complete_in_bash(self, words, word):
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_WORDBREAKS=" "; '
                  '_periprox; printf "%s\\n" "${COMPREPLY[@]}"')
        path = os.path.dirname(PROGRAM) + ":" + os.environ.get("PATH", "")
        done = subprocess.run(["bash", "-c", script, "bash", ROOT / "packaging/completion/periprox.bash", *words, word],
                              capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "PATH": path})
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_zsh_and_fish_know_each_verb_and_option(self):
        zsh = (ROOT / "packaging/completion/periprox.zsh").read_text()
        fish = (ROOT / "packaging/completion/periprox.fish").read_text()
        everything = set().union(*self.all_options().values())
        in_zsh = set(re.findall(r"--[a-z][a-z-]*(?=\[|,|\})", zsh))
        in_fish = {"--" + name for name in re.findall(r"(?m)^complete .* -l ([a-z-]+)", fish)}
        self.assertEqual(in_zsh, everything)
        self.assertEqual(in_fish, everything)
        for verb in VERBS:
            self.assertRegex(zsh, rf"(?m)^    {verb}\)")
            self.assertRegex(fish, rf"-a {verb} ")


if __name__ == "__main__":
    PROGRAM, ROOT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
