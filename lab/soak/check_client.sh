# `periprox check --client` against the stock client with the kernel's vhci_hcd, and against `periprox
# attach`. Takes minutes, because silence is part of it. docs/conformance.md has the table.
#
#     lab/lab run lab/soak/check_client.sh
#
# lab-timeout: 600
# lab-allow: vhci_hcd: .*(cannot find a urb of seqnum|unknown pdu|cannot find the pending unlink|recv a header) # what the cases provoke
# lab-allow: usbip_core: unknown command # likewise
# lab-allow: usb .*: recv xbuf # likewise
. "$LAB_REPO/lab/guest/lib.sh"

RESULTS=$LAB_SCRATCH/results
mkdir -p "$RESULTS"
must modprobe vhci-hcd
modprobe -a usbhid hid-generic

checker_ended() { ! kill -0 "$CHECKER" 2> /dev/null; }
told() { grep -q "\"case\":\"$1\"" "$RESULTS/$COLUMN.json"; }
# A device that comes back while the kernel still takes it out is taken for the same one: it goes on where
# it was, with UNLINKs for URBs of the connection before.
no_device_left() { all_ports_free && [[ -z $(find /sys/bus/usb/devices -name '[0-9]*-[0-9]*' ! -name '*:*') ]]; }
is_over_or_lasts() { no_device_left || { told client.server_ends && keyboard_is_there; }; }
keyboard_is_there() { compgen -G '/sys/bus/usb/drivers/usbhid/[0-9]*-*' > /dev/null; }

examine() { # COLUMN COMMAND...: COMMAND attaches the device once
    COLUMN=$1
    shift
    "$PERIPROX" check --client --json > "$RESULTS/$COLUMN.json" 2> "$LAB_SCRATCH/check.err" &
    CHECKER=$!
    until checker_ended; do
        "$@" > "$LAB_SCRATCH/attach" 2>&1
        wait_for is_over_or_lasts
        # In the last case the device is there to stay.
        no_device_left || "$PERIPROX" detach --all > /dev/null 2>&1
        wait_for no_device_left
    done
    check "$COLUMN: the suite comes to its end" grep -q '^{"passed"' "$RESULTS/$COLUMN.json"
    sed -n 's/^{"case":"\([^"]*\)","verdict":"\([^"]*\)","reason":"\(.*\)","what".*/\1|\2|\3/p' \
        "$RESULTS/$COLUMN.json" > "$RESULTS/$COLUMN"
    sed "s/^/# $COLUMN: /" "$RESULTS/$COLUMN"
    tail -n 1 "$RESULTS/$COLUMN.json" | sed "s/^/# $COLUMN: /"
    check "$COLUMN: every port is free" wait_for all_ports_free
}
failures() { # COLUMN
    sed -n 's/^\([^|]*\)|fail|.*/\1/p' "$RESULTS/$1"
}

examine linux usbip attach -r 127.0.0.1 -b 1-1
examine periprox "$PERIPROX" attach --background --wait 30 usbip://127.0.0.1/1-1
check_equal "our client fails nothing" "" "$(failures periprox)"
# vhci_hcd takes a negative actual_length for no data; and at times it unlinks what it has not submitted on this
# connection, or not yet.
check_equal "the stock client fails one case" "client.negative" \
    "$(failures linux | grep -v -x says.unlink_target)"
expect_clean_dmesg
finish
