# A real device exported by periprox without usbip-host, imported by the stock usbip: usbtest's cases
# through all of it, those included under which usbip-host itself breaks (10, 11, 12, 24).
#
# lab-timeout: 600
. "$LAB_REPO/lab/guest/lib.sh"

# What is read is whole packets, of 1024 bytes at super speed; at full speed a frame carries 19 of 64.
cases=(0 1:iterations=300,length=1024 2:iterations=300,length=1024 3:iterations=50,length=4096,vary=99
    4:iterations=50,length=4096,vary=1024 5:iterations=20,length=1024 6:iterations=20,length=1024
    7:iterations=20,length=4096,vary=99 8:iterations=20,length=4096,vary=1024
    9:iterations=100 10:iterations=50 11:iterations=50,length=1024 12:iterations=50,length=1024
    13:iterations=20,length=1024 14:iterations=50,vary=1 17:iterations=50,length=1024
    18:iterations=50,length=1024 19:iterations=50,length=1024 20:iterations=50,length=1024
    21:iterations=50,vary=1 24:iterations=20,length=1024 27:iterations=5,length=16384
    28:iterations=5,length=16384 29:iterations=20,length=1024)
for speed in full super high; do
    start_gadget_zero $speed
    start_server tcp://127.0.0.1:3240 "$GADGET"
    attach "$GADGET"
    check_equal "it is imported at $speed speed" "$(cat "/sys/bus/usb/devices/$GADGET/speed")" \
        "$(cat "/sys/bus/usb/devices/$LOCAL/speed")"
    bind_usbtest "$LOCAL" 0 0
    run_usbtest "$speed speed, exported" "$LOCAL" "${cases[@]}"
    [[ $speed != high ]] || break # The device that stays has the rest of the checks.
    detach "$PORT"
    stop_server TERM
    stop_gadget_zero
done
check "usbip-host is not loaded" bash -c "! lsmod | grep -q usbip_host"
detach "$PORT"
check "every port is free" all_ports_free
attach "$GADGET"
bind_usbtest "$LOCAL" 0 0
run_usbtest "attached again" "$LOCAL" 1:iterations=100 2:iterations=100
detach "$PORT"
stop_server TERM
check_equal "the server ends well" 0 "$SERVER_STATUS"
check "no record is left" test ! -e "/run/periprox/claims/$GADGET"

expect_clean_dmesg
finish
