#!/usr/bin/env python3
"""Every function of `emulated`, used over USB/IP as its class driver would, captured, and read by tshark: it
must name the class, and find nothing malformed.

What speaks USB/IP is a client of a few lines, so that no kernel is needed and one connection does it all.

usage: dissected_test.py PROGRAM SOURCE_ROOT [UNITTEST_ARGUMENT...]
"""
import errno
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import program_test
from program_test import PATIENCE, Case, Server

BULK, ISOCHRONOUS, INTERRUPT = 2, 1, 3
NO_PACKETS = 0xFFFFFFFF


class Stalled(Exception):
    pass


class Imported:
    """A device in use: usbip_protocol, one URB at a time."""

    def __init__(self, port, busid):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, busid.encode()))
        status = struct.unpack(">HHI", self.take(8))[2]
        assert status == 0, f"{busid} is not given: {status}"
        described = self.take(312)
        busnum, devnum = struct.unpack(">II", described[288:296])
        self.devid = busnum << 16 | devnum
        self.seqnum = 0
        head = self.control(0x80, 6, 0x0200, 0, 9)
        self.endpoints = self.parse(self.control(0x80, 6, 0x0200, 0, struct.unpack("<H", head[2:4])[0]))
        self.control(0x00, 9, head[5], 0)

    def take(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            assert more, "the server ended the connection"
            data += more
        return data

    @staticmethod
    def parse(configuration):
        """(interface class, is it IN, type) of each endpoint, and where it is."""
        endpoints = {}
        while configuration:
            length, kind = configuration[0], configuration[1]
            if kind == 4:
                number, alternate, kind_of_interface = configuration[2], configuration[3], configuration[5]
            elif kind == 5:
                address, attributes, size = configuration[2], configuration[3], struct.unpack("<H", configuration[4:6])[0]
                key = (kind_of_interface, address >= 0x80, attributes & 3)
                endpoints.setdefault(key, []).append((number, alternate, address, size & 0x7FF))
            configuration = configuration[length:]
        return endpoints

    def urb(self, endpoint, length, data=None, setup=bytes(8), packets=()):
        """What comes in, or how much went out."""
        self.seqnum += 1
        is_in = data is None
        count = len(packets) or (0 if setup != bytes(8) else NO_PACKETS)
        self.socket.sendall(struct.pack(">IIIIIIIIII8s", 1, self.seqnum, self.devid, is_in, endpoint & 0x0F, 0, length, 0,
                                        count, 1, setup) + (data or b"") + b"".join(packets))
        head = struct.unpack(">IIIIIiIIII8x", self.take(48))
        assert head[:2] == (3, self.seqnum), head
        if head[5] == -errno.EPIPE:
            raise Stalled
        assert head[5] == 0, f"endpoint {endpoint:#x} {setup.hex()}: status {head[5]}"
        answer = self.take(head[6]) if is_in else head[6]
        self.take(16 * len(packets))
        return answer

    def control(self, request_type, request, value, index, length=0, data=b""):
        is_in = request_type >= 0x80
        setup = struct.pack("<BBHHH", request_type, request, value, index, length if is_in else len(data))
        return self.urb(0, length if is_in else len(data), None if is_in else data, setup)

    def select(self, kind, is_in, transfer_type, which=0):
        """The address and packet size of such an endpoint, its alternate setting being selected."""
        number, alternate, address, size = self.endpoints[kind, is_in, transfer_type][which]
        if alternate:
            self.control(0x01, 11, alternate, number)
        return address, size

    def stream(self, address, size, is_in, count=8):
        packets = [struct.pack(">IIII", i * size, size, 0, 0) for i in range(count)]
        return self.urb(address, size * count, None if is_in else bytes(size * count), packets=packets)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def use_hid(device):
    device.control(0x21, 0x0A, 0, 0)  # SET_IDLE
    device.control(0x81, 6, 0x2200, 0, 1024)
    address, size = device.select(3, True, INTERRUPT)
    for _ in range(4):
        device.urb(address, size)


def use_keyboard(device):
    use_hid(device)
    device.control(0x21, 9, 0x0200, 0, data=b"\x02")  # SET_REPORT: Caps Lock


def use_storage(device):
    into, _ = device.select(8, True, BULK)
    out, _ = device.select(8, False, BULK)

    def command(block, answer=0, data=b""):
        flags = 0x80 if answer else 0
        device.urb(out, 31, struct.pack("<4sIIBBB16s", b"USBC", device.seqnum, answer or len(data), flags, 0, len(block), block))
        if answer:
            device.urb(into, answer)
        if data:
            device.urb(out, len(data), data)
        try:
            status = device.urb(into, 13)
        except Stalled:  # There was less data than asked for.
            device.control(0x02, 1, 0, into)  # CLEAR_FEATURE: ENDPOINT_HALT
            status = device.urb(into, 13)
        assert status[12] == 0, block.hex()

    command(bytes.fromhex("120000002400"), answer=36)  # INQUIRY
    command(bytes.fromhex("000000000000"))  # TEST UNIT READY
    command(bytes.fromhex("25000000000000000000"), answer=8)  # READ CAPACITY (10)
    command(bytes.fromhex("1a003f00c000"), answer=192)  # MODE SENSE (6)
    command(bytes.fromhex("2a000000000000000100"), data=b"\x5a" * 512)  # WRITE (10)
    command(bytes.fromhex("28000000000000000800"), answer=4096)  # READ (10)
    command(bytes.fromhex("35000000000000000000"))  # SYNCHRONIZE CACHE (10)


def use_serial(device):
    interface = device.endpoints[2, True, INTERRUPT][0][0]
    device.control(0x21, 0x20, 0, interface, data=struct.pack("<IBBB", 115200, 0, 0, 8))  # SET_LINE_CODING
    device.control(0xA1, 0x21, 0, interface, 7)
    device.control(0x21, 0x22, 3, interface)  # SET_CONTROL_LINE_STATE
    device.urb(*device.select(2, True, INTERRUPT))
    out, _ = device.select(10, False, BULK)
    into, size = device.select(10, True, BULK)
    device.urb(out, 6, b"hello\n")
    assert device.urb(into, size) == b"hello\n"


def use_audio(device):
    out, size = device.select(1, False, ISOCHRONOUS)
    device.stream(out, 192, is_in=False)
    into, size = device.select(1, True, ISOCHRONOUS, which=-1)
    device.stream(into, size, is_in=True)


def use_network(device):
    parameters = device.control(0xA1, 0x80, 0, 0, 28)  # GET_NTB_PARAMETERS
    assert parameters[0] == 28
    out, _ = device.select(10, False, BULK)
    device.urb(*device.select(2, True, INTERRUPT))
    frame = b"\xff" * 6 + bytes.fromhex("025050000001 0800") + bytes(50)
    # NCM 1.0, 3.2 and 3.3: a header, a table of one datagram, and this.
    block = struct.pack("<4sHHHH", b"NCMH", 12, 1, 28 + len(frame), 12)
    block += struct.pack("<4sHHHHHH", b"NCM0", 16, 0, 28, len(frame), 0, 0) + frame
    device.urb(out, len(block), block)


def use_camera(device):
    probe = device.control(0xA1, 0x87, 0x0100, 1, 26)  # GET_DEF
    device.control(0x21, 0x01, 0x0100, 1, data=probe)  # SET_CUR of the probe ...
    committed = device.control(0xA1, 0x81, 0x0100, 1, 26)
    device.control(0x21, 0x01, 0x0200, 1, data=committed)  # ... and of the commit control
    if (14, True, BULK) in device.endpoints:
        address, _ = device.select(14, True, BULK)
        device.urb(address, struct.unpack("<I", committed[22:26])[0])
    else:
        address, size = device.select(14, True, ISOCHRONOUS, which=-1)
        device.stream(address, size, is_in=True)


def use_vendor(device):
    device.control(0xC0, 1, 0, 3, 2)
    device.control(0x40, 2, 1, 0)
    device.urb(*device.select(0xFF, True, INTERRUPT))
    out, _ = device.select(0xFF, False, BULK)
    device.urb(out, 1, b"?")


def use_thermometer(device):
    device.urb(*device.select(3, True, INTERRUPT))


def use_zero(device):
    into, _ = device.select(0xFF, True, BULK)
    out, _ = device.select(0xFF, False, BULK)
    device.urb(into, 4096)
    device.urb(out, 4096, bytes(4096))
    device.stream(*device.select(0xFF, True, ISOCHRONOUS), is_in=True)


def use_composite(device):
    use_keyboard(device)
    use_serial(device)
    use_storage(device)


HID, SCSI = "usbhid.data", "scsi_sbc.opcode"
LINE, NOTIFIED = "usbcom.control.request_code", "usbcom.interrupt.notification_code"
ANY = "usb.capdata"
# Locator, what uses it, and fields that tshark has only for traffic that it takes for its class'.
FUNCTIONS = [
    ("keyboard?input={folder}/text", use_keyboard, {HID}),
    ("mouse?input={folder}/moves", use_hid, {HID}),
    ("tablet?input={folder}/moves", use_hid, {HID}),
    ("storage?size=1M", use_storage, {SCSI, "scsi.inquiry.vendor_id"}),
    ("serial?to=exec:cat", use_serial, {LINE, NOTIFIED}),
    ("audio", use_audio, {"usbaudio.as_if_subtype", "usb.iso.data"}),
    ("network?to=dgram:{folder}/here,{folder}/there", use_network, {"usbcom.control.get_ntb_params.length", NOTIFIED}),
    ("camera", use_camera, {"usbvideo.probe.hint", "usb.iso.data"}),
    ("camera?pipe=bulk&size=64x48", use_camera, {"usbvideo.probe.hint"}),
    ("vendor?file={folder}/light.txt", use_vendor, {ANY}),
    ("go_temp?period_ms=5", use_thermometer, {HID}),
    ("zero", use_zero, {ANY, "usb.iso.data"}),
    ("composite?of=keyboard,serial,storage&keyboard.input={folder}/text&serial.to=exec:cat&storage.size=1M", use_composite,
     {HID, LINE, SCSI}),
]
FIELDS = sorted(set().union(*(fields for _, _, fields in FUNCTIONS)))
LIGHT = """
device 1209:0010
product "Light"
interface ff 00 00
endpoint 81 interrupt 8 10ms
endpoint 02 bulk
on control c0 01 * 0003: answer 12 34
on control 40 02 0001: accept
on out 02 "?": accept
every 10ms: send 81 2a
"""


class Dissected(Case):
    @classmethod
    def setUpClass(cls):
        """One server has them all, and one capture."""
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "text").write_text("Hello")
            pathlib.Path(folder, "moves").write_text("move 3 4\nclick left\nwheel 1\nmove -3 -4\n")
            pathlib.Path(folder, "light.txt").write_text(LIGHT)
            file = folder + "/trace.pcapng"
            locators = ["emulated:" + text.format(folder=folder) for text, _, _ in FUNCTIONS]
            with (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer,
                  Server(*locators, options=["--capture", file]) as server):
                peer.bind(folder + "/there")
                for number, (_, use, _) in enumerate(FUNCTIONS, 1):
                    with Imported(server.port, f"1-{number}") as device:
                        use(device)
                code, log = server.stop()
            assert code == 0, log
            fields = ["frame.interface_id", "frame.number", "_ws.malformed", "_ws.expert.message", *FIELDS]
            done = subprocess.run(["tshark", "-r", file, "-T", "fields", *(word for name in fields for word in ("-e", name))],
                                  capture_output=True, timeout=PATIENCE, text=True, check=True)
        cls.packets = [dict(zip(fields, line.split("\t"))) for line in done.stdout.splitlines()]

    def test_nothing_is_malformed(self):
        malformed = [packet for packet in self.packets
                     if packet["_ws.malformed"] or "alformed" in packet["_ws.expert.message"]]
        self.assertEqual(malformed, [])

    def test_each_is_of_its_class(self):
        for number, (locator, _, expected) in enumerate(FUNCTIONS):
            with self.subTest(locator=locator):
                mine = [packet for packet in self.packets if packet["frame.interface_id"] == str(number)]
                self.assertLessEqual(expected, {name for packet in mine for name in FIELDS if packet[name]})


if __name__ == "__main__":
    program_test.PROGRAM, program_test.ROOT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
