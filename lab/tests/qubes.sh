# The Qubes services over a stand-in for qrexec: one Unix socket pair between the two qubes, which here
# are the same guest. A tablet that QEMU plugs in leaves usbhid, and comes back as an imported one.
#
# lab-qemu: -device qemu-xhci -device usb-tablet
. "$LAB_REPO/lab/guest/lib.sh"

qubes=$LAB_REPO/packaging/qubes
export QUBES_USB_STATE=$LAB_SCRATCH QUBES_USB_IMPORT=$qubes/periprox-usb-import

# The stand-in: `qrexec-client-vm QUBE SERVICE+ARGUMENT PROGRAM ARGUMENTS...` runs the service with one
# end of a socket pair as its standard input, the program with the other, and is the agent of both.
mkdir "$LAB_SCRATCH/bin"
cat > "$LAB_SCRATCH/bin/qrexec-client-vm" <<'PYTHON'
#!/usr/bin/env python3
import os, signal, socket, subprocess, sys
asked = 0
def ask(*_):
    global asked
    asked += 1
signal.signal(signal.SIGUSR1, ask)
qube, call, *program = sys.argv[1:]
service, _, argument = call.partition("+")
theirs, ours = socket.socketpair()
environment = dict(os.environ, QREXEC_AGENT_PID=str(os.getpid()), QREXEC_REMOTE_DOMAIN=qube)
backend = subprocess.Popen([os.environ["QUBES_RPC"] + "/" + service, argument], stdin=theirs,
                           stdout=subprocess.DEVNULL, env=environment)
theirs.close()
frontend = subprocess.Popen(program, stdin=ours, env=environment)
ours.close()
status = frontend.wait()
backend.wait()
open(os.environ["LAB_ASKED"], "w").write(str(asked))
sys.exit(status)
PYTHON
chmod +x "$LAB_SCRATCH/bin/qrexec-client-vm"
export PATH=$LAB_SCRATCH/bin:$PATH QUBES_RPC=$qubes LAB_ASKED=$LAB_SCRATCH/asked PERIPROX

modprobe usbhid
modprobe xhci-pci
must modprobe vhci-hcd
tablet_is_there() {
    TABLET=$(basename "$(dirname "$(grep -l -x 0627 /sys/bus/usb/devices/*/idVendor 2> /dev/null | head -n 1)")")
    is_bound_to "$TABLET:1.0" usbhid
}
wait_for tablet_is_there || bail_out "QEMU's tablet is there"

calls() { # NAME STATUS SERVICE LINE: what a service answers to a line
    # Not in $(...), which would wait for what is left behind, too.
    echo "$4" | "$qubes/$3" > "$LAB_SCRATCH/said" 2>&1
    check_equal "$1" "$2" "$?"
    sed 's/^/# /' "$LAB_SCRATCH/said"
}
calls "no options" 1 qubes.USBAttach "sys-usb $TABLET --option"
calls "no path for a qube" 1 qubes.USBAttach "../sys-usb $TABLET"
calls "detaching what is not attached" 1 qubes.USBDetach "sys-usb $TABLET"
for argument in "$TABLET:1.0" emulated:zero '' 'usbip://x/1-1' '1-1;reboot'; do
    "$qubes/qubes.USB" "$argument" > "$LAB_SCRATCH/out" 2>&1 < /dev/null
    check_equal "qubes.USB refuses '$argument'" 1 $?
done

state=$LAB_SCRATCH/usb-import-sys-usb-$TABLET.state
calls "attaching returns when the device is usable" 0 qubes.USBAttach "sys-usb $TABLET"
PORT=$(cat "$state")
LOCAL=$(port_busid "$PORT")
check "the imported tablet has its driver" is_bound_to "$LOCAL:1.0" usbhid
check "which no longer has the real one" test "$(driver_of "$TABLET:1.0")" != usbhid
check_equal "ports says where it comes from" "usbip+fd:0" \
    "$("$PERIPROX" ports --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["ports"][0]["locator"])')"
calls "detaching" 0 qubes.USBDetach "sys-usb $TABLET"
check "the port is free" wait_for all_ports_free
check "the tablet is back with its driver" wait_for is_bound_to "$TABLET:1.0" usbhid
check "the state file is gone" wait_for test ! -e "$state"
check "both sides asked the agent for one socket" wait_for test "$(cat "$LAB_ASKED" 2> /dev/null || echo 2)" = 2

ids=0x0627.0x0001
calls "attaching by ids" 0 qubes.USBAttach "sys-usb $ids"
calls "detaching by ids" 0 qubes.USBDetach "sys-usb $ids"
check "the tablet is back again" wait_for is_bound_to "$TABLET:1.0" usbhid
calls "attaching what the other qube does not have" 1 qubes.USBAttach "sys-usb 0x1234.0x5678"
check "all ports are free" all_ports_free
expect_clean_dmesg
finish
