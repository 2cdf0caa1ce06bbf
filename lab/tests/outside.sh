# A server outside the guest: it runs on the machine, and the guest attaches its device through
# QEMU's user-mode network, where the machine's loopback is 10.0.2.2.
#
# lab-host: "$PERIPROX" serve 'emulated:go_temp?celsius=36.6' --listen "tcp://127.0.0.1:$LAB_PORT"
# lab-qemu: -netdev user,id=net -device virtio-net-pci,netdev=net,romfile=
. "$LAB_REPO/lab/guest/lib.sh"

modprobe virtio_net
wait_for test -e /sys/class/net/eth0 || bail_out "the guest has a network card"
must ip address add 10.0.2.15/24 dev eth0
must ip link set eth0 up

device_is_listed() {
    usbip --tcp-port "$LAB_PORT" list -r 10.0.2.2 | grep -q ' 1-1: .*(08f7:0002)'
}
wait_for device_is_listed || bail_out "the machine's server lists its device"
ok "the machine's server lists its device"

modprobe ldusb
echo 08f7 0002 > /sys/bus/usb/drivers/ldusb/new_id # see go_temp.sh
attach 1-1 10.0.2.2 "$LAB_PORT"
wait_for test -c /dev/ldusb0 || bail_out "ldusb binds"
# 36.6 degC is 4684.8 units, so it is rounded to 0x124d; the first sample follows two header bytes.
check_equal "the temperature crosses the network" 4685 \
    "$(timeout "$LAB_PATIENCE" dd if=/dev/ldusb0 bs=8 count=1 2> /dev/null | od -An -t d2 -j2 -N2 |
        tr -d ' ')"
detach "$PORT"

expect_clean_dmesg
finish
