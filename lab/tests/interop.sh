# `periprox attach` with servers that are not ours: the stock usbipd with usbip-host, whose device works
# through us as it does for the stock client; and servers that lie, whose lies never reach the kernel.
#
# lab-timeout: 420
. "$LAB_REPO/lab/guest/lib.sh"

must modprobe vhci-hcd
start_gadget_zero
# Cases 10, 11, 12 and 24 crash usbip-host itself.
cases=(0 1:iterations=20,length=512 2:iterations=20,length=512 3:iterations=20,length=512,vary=512
    4:iterations=20,length=512,vary=512 5:iterations=5,length=512,sglen=8 6:iterations=5,length=512,sglen=8
    9:iterations=20 13:iterations=20 14:iterations=50,length=64,vary=1
    17:iterations=20,length=512 18:iterations=20,length=512 21:iterations=20,length=64,vary=1
    27:iterations=2,length=16384,sglen=32 28:iterations=2,length=16384,sglen=32)
unplug() {
    must "$PERIPROX" detach "$PORT"
    check "port $PORT is free" port_is_free "$PORT"
}

# --- The stock server ----------------------------------------------------------------------------

must modprobe usbip-host
must usbip bind -b "$GADGET"
start_stock_server
check "its list is read" grep -q "^$GADGET .*0525:a4a0" <("$PERIPROX" list usbip://127.0.0.1)
attach_ours "usbip://127.0.0.1/$GADGET"
bind_usbtest "$LOCAL" 0 0
run_usbtest "from usbip-host through us" "$LOCAL" "${cases[@]}"
unplug
attach_ours "usbip://127.0.0.1/0x0525.0xa4a0" --direct
bind_usbtest "$LOCAL" 0 0
run_usbtest "from usbip-host directly" "$LOCAL" "${cases[@]}"
unplug
expect_clean_dmesg "the kernel log is clean with the stock server"

# --- Servers that lie ----------------------------------------------------------------------------

start_server tcp://127.0.0.1:3241 emulated:zero
for how in iso_offset iso_sum oversized unknown negative command silence; do
    python3 "$LAB_REPO/lab/guest/hostile_relay.py" 3242 3241 "$how" > "$LAB_SCRATCH/relay-$how" &
    relay=$!
    wait_for grep -q ready "$LAB_SCRATCH/relay-$how"
    attach_ours usbip://127.0.0.1:3242/1-1
    # What comes of it is the device's misfortune; nothing may hang, and the kernel may not notice.
    interface=$(interface_of "$LOCAL")
    modprobe usbtest
    echo 1 > /sys/module/usbtest/parameters/alt
    # Where nothing is answered, usbtest's own cases would wait for ever with the device locked, which no
    # unplugging gets past; the control requests of its binding have an end.
    if [[ $how == silence ]]; then kill -USR1 "$relay"; fi
    echo "$interface" > /sys/bus/usb/drivers/usbtest/bind 2> /dev/null
    if [[ $how != silence ]]; then
        kill -USR1 "$relay"
        "$USBTEST_RUNNER" --device "$LOCAL" 16:iterations=2,length=1024,sglen=4 \
            22:iterations=2,length=1024,sglen=4 14:iterations=60,length=64,vary=1 2:iterations=30,length=512 > /dev/null 2>&1
    fi
    "$PERIPROX" detach "$PORT" > /dev/null 2>&1
    check "$how: the port is free in the end" wait_for port_is_free "$PORT"
    kill "$relay" 2> /dev/null
    wait "$relay" 2> /dev/null
    expect_clean_dmesg "$how: the kernel noticed nothing"
done
check "the server behind them lives on" test -n "$("$PERIPROX" list usbip://127.0.0.1:3241)"
finish
