# What lab/bench/instructions runs in the guest: a usbtest case of one URB at a time, on a gadget zero that is
# exported in one of three ways and imported by the stock client, between the marks of the plugin.
#
# lab-timeout: 1800
LAB_PATIENCE=${LAB_PATIENCE:-3600}
. "$LAB_REPO/lab/guest/lib.sh"
. "$LAB_REPO/lab/bench/lib.sh"

WAY=$1
CASE=$2

must mkdir /run/path
must mount -t 9p -o trans=virtio,version=9p2000.L path /run/path
must modprobe vhci-hcd
start_gadget_zero high
case $WAY in
    periprox)
        start_server "tcp://127.0.0.1:$LAB_PORT" "$GADGET"
        attach "$GADGET" 127.0.0.1 "$LAB_PORT"
        EXPORTER=$SERVER
        ;;
    bare)
        start_bare export "$GADGET" "$LAB_PORT"
        attach "$GADGET" 127.0.0.1 "$LAB_PORT"
        EXPORTER=$BARE_PID
        ;;
    stock)
        must modprobe usbip-host
        must usbip bind -b "$GADGET"
        start_stock_server
        attach "$GADGET"
        EXPORTER=$USBIPD
        ;;
    *) bail_out "periprox, bare or stock" "$WAY" ;;
esac
bind_usbtest "$LOCAL" 0 0
cp /proc/kallsyms "/proc/$EXPORTER/maps" /run/path

# Calls an address that the plugin knows.
mark() { # ADDRESS
    python3 - "$1" << 'END'
import ctypes, mmap, sys
address = int(sys.argv[1], 16)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(ctypes.c_void_p(address), 4096, 7, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10, -1, 0)
ctypes.memmove(at, b"\xc3", 1)  # ret
ctypes.CFUNCTYPE(None)(at)()
END
}

must "$USBTEST_RUNNER" --device "$LOCAL" "$CASE" # Once for whatever is only slow at first.
must mark 0x13370000
check "usbtest case $CASE" "$USBTEST_RUNNER" --device "$LOCAL" "$CASE"
must mark 0x13371000
finish
