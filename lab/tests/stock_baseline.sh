# The lab with stock parts only: if this fails, the lab is broken and not PeriProx.
#
# A gadget zero made by the kernel (dummy_hcd) is driven by usbtest, first directly, then through
# stock usbip-host and vhci_hcd over the loopback. usbip-host itself breaks under usbtest's queued
# control and unlinking cases (10 and 11), so through it only plain cases run.

# lab-allow: the lab looks at itself # written by this test to see whether it is found
. "$LAB_REPO/lab/guest/lib.sh"

echo "BUG: the lab looks at itself" > /dev/kmsg
check_equal "trouble in the kernel log is seen" 1 "$(dmesg | trouble_in | wc -l)"
check_equal "... unless the test allows it" 0 "$(dmesg | trouble_in | not_allowed | wc -l)"

start_gadget_zero
check_equal "the gadget runs at high speed" 480 "$(cat "/sys/bus/usb/devices/$GADGET/speed")"

bind_usbtest "$GADGET" 0 0
run_usbtest "direct" "$GADGET" \
    1:iterations=1000 2:iterations=1000 3:iterations=200 4:iterations=200 5:iterations=50 \
    6:iterations=50 7:iterations=50 8:iterations=50 9:iterations=300 10:iterations=50 \
    11:iterations=50 12:iterations=50 13:iterations=20 14:iterations=50,vary=1 \
    17:iterations=100 18:iterations=100 21:iterations=50,vary=1 24:iterations=20 29:iterations=20
check "a case without its endpoints is reported as unsupported" \
    grep -q unsupported <("$USBTEST_RUNNER" 25)
check "... and as a failure unless allowed" \
    bash -c "! '$USBTEST_RUNNER' 25 && '$USBTEST_RUNNER' --allow-unsupported 25"
check "a result can be had as JSON" \
    grep -q '"case": 9, "iterations": 3, .*"result": "passed", "errno": 0,' \
    <("$USBTEST_RUNNER" --json 9:iterations=3)
expect_clean_dmesg

modprobe usbip-host
must usbip bind -b "$GADGET"
start_stock_server
stock_list=$(usbip list -r 127.0.0.1)
check "the stock list shows the gadget" grep -q "$GADGET:.*0525:a4a0" <<< "$stock_list"

attach "$GADGET"
bind_usbtest "$LOCAL" 0 0
run_usbtest "through stock usbip" "$LOCAL" 1:iterations=1000 2:iterations=1000 9:iterations=300
detach "$PORT"
check "every port is free" all_ports_free

expect_clean_dmesg
finish
