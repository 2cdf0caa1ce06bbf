#!/usr/bin/env python3
"""A USB/IP server that lies: passes everything on to a real server, and spoils some of its replies.

usage: hostile_relay.py LISTEN_PORT SERVER_PORT HOW

HOW is what is done to the replies after SIGUSR1:
  iso_offset  isochronous descriptors point outside of the buffer
  iso_sum     isochronous descriptors do not add up to the length of the data
  oversized   more data than was asked for
  unknown     a reply to a request that nobody made
  negative    a negative length
  command     a header that is none
  silence     nothing is answered any more
"""
import signal
import socket
import struct
import sys
import threading

listen_port, server_port, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
HEAD = 48
lying = threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: lying.set())
OP_IMPORT_REQUEST, OP_IMPORT_REPLY = 40, 320


def take(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


class Relay:
    def __init__(self, client):
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", server_port))
        self.requests = {}  # seqnum: direction, length, packets

    def forward(self):
        self.server.sendall(take(self.client, OP_IMPORT_REQUEST))
        while True:
            head = take(self.client, HEAD)
            command, seqnum, _, direction, _ = struct.unpack(">5I", head[:20])
            body = b""
            if command == 1:
                _, length, _, packets, _ = struct.unpack(">I4i", head[20:40])
                packets = max(packets, 0)
                self.requests[seqnum] = (direction, length, packets)
                body = take(self.client, (0 if direction else length) + 16 * packets)
            self.server.sendall(head + body)

    def back(self):
        self.client.sendall(take(self.server, OP_IMPORT_REPLY))
        while True:
            head = take(self.server, HEAD)
            command, seqnum = struct.unpack(">2I", head[:8])
            data = descriptors = b""
            if command == 3:
                direction, length, packets = self.requests.pop(seqnum)
                actual = struct.unpack(">i", head[24:28])[0]
                data = take(self.server, actual if direction else 0)
                descriptors = take(self.server, 16 * packets)
                if lying.is_set():
                    head, data, descriptors = self.spoil(head, data, descriptors, direction, length)
            if head:
                self.client.sendall(head + data + descriptors)

    def spoil(self, head, data, descriptors, direction, length):
        if how.startswith("iso") and descriptors:
            words = list(struct.unpack(f">{len(descriptors) // 4}I", descriptors))
            for i in range(0, len(words), 4):
                if how == "iso_offset":
                    words[i] = 0x7fff0000 + i
                else:
                    words[i + 2] += 1
            descriptors = struct.pack(f">{len(words)}I", *words)
        elif how == "oversized" and direction:
            data = bytes(length + 4096)
            head = head[:24] + struct.pack(">i", len(data)) + head[28:]
        elif how == "unknown":
            head = head[:4] + struct.pack(">I", 0x7badcafe) + head[8:]
        elif how == "negative":
            head = head[:24] + struct.pack(">i", -5) + head[28:]
        elif how == "command":
            head = struct.pack(">I", 0x55555555) + head[4:]
        elif how == "silence":
            head = data = descriptors = b""
        return head, data, descriptors


listener = socket.create_server(("127.0.0.1", listen_port))
print("ready", flush=True)


def quietly(work, relay):
    try:
        work()
    except (EOFError, OSError, KeyError):
        pass
    for end in (relay.client, relay.server):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


while True:
    one = Relay(listener.accept()[0])
    for way in (one.forward, one.back):
        threading.Thread(target=quietly, args=(way, one), daemon=True).start()
