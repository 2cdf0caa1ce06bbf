"""Sends bytes to a bulk endpoint of a device and prints, in hex, what another one answers.

For device classes that the kernel leaves to programs (smart card readers, MTP): the kernel's own
USBDEVFS_BULK, so that what is tested is not what tests it.

    bulk_exchange.py /dev/bus/usb/002/003 INTERFACE OUT_ENDPOINT HEX IN_ENDPOINT [ANSWERS]
"""

import ctypes
import fcntl
import os
import struct
import sys

# include/uapi/linux/usbdevice_fs.h
USBDEVFS_BULK = 0xC0185502
USBDEVFS_CLAIMINTERFACE = 0x8004550F


def bulk(node, endpoint, buffer):
    """Moves a buffer to or from an endpoint; returns how many bytes it were."""
    # The call's result is the length only for an argument that it may write to.
    transfer = bytearray(
        struct.pack("IIIxxxxP", endpoint, len(buffer), 20000, ctypes.addressof(buffer))
    )
    return fcntl.ioctl(node, USBDEVFS_BULK, transfer)


def main():
    path, interface, out_endpoint, data, in_endpoint = sys.argv[1:6]
    node = os.open(path, os.O_RDWR)
    fcntl.ioctl(node, USBDEVFS_CLAIMINTERFACE, struct.pack("I", int(interface, 0)))
    sent = bytes.fromhex(data)
    bulk(node, int(out_endpoint, 0), ctypes.create_string_buffer(sent, len(sent)))
    for _ in range(int(sys.argv[6]) if len(sys.argv) > 6 else 1):
        answer = ctypes.create_string_buffer(512)
        length = bulk(node, int(in_endpoint, 0), answer)
        print(answer.raw[:length].hex())


main()
