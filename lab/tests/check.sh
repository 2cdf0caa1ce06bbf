# `periprox check` against our server, with an emulated device and with a real one through usbfs: it must
# pass every case that applies.
#
# `lab/lab run lab/tests/check.sh stock` examines stock usbip-host after that, and with `vudc` instead of
# stock usbip-vudc alone; `vudc PATTERN [SECONDS]` only with the cases whose names begin with that, each answer
# being given so long. What they fail is printed and not judged; it takes minutes, because they answer some
# cases never. Cases that make the stock kernel warn or oops are not run against it, each for its stated
# reason. docs/conformance.md has the table.
#
# lab-timeout: 900
# lab-allow: usbip-host .*(recv invalid request|unknown pdu|invalid epnum|invalid num packets) # what the cases provoke
# lab-allow: usbip_core: unknown command # header.unknown_command provokes it
# lab-allow: recv xbuf # connections that die within OUT data
. "$LAB_REPO/lab/guest/lib.sh"

RESULTS=$LAB_SCRATCH/results
mkdir -p "$RESULTS"

# Keeps the verdicts, which come as --json prints them, as lines "CASE|VERDICT|REASON", and prints them for
# lab/conformance_table.py.
keep_verdicts() { # COLUMN
    sed -n 's/^{"case":"\([^"]*\)","verdict":"\([^"]*\)","reason":"\(.*\)","what".*/\1|\2|\3/p' |
        tee -a "$RESULTS/$1" | sed "s/^/# $1: /"
}

# Runs the suite.
examine() { # COLUMN LOCATOR [OPTION...]
    local column=$1 locator=$2
    shift 2
    "$PERIPROX" check "$locator" --yes --timeout 30 --json "$@" > "$RESULTS/$column.json" 2> "$LAB_SCRATCH/check.err"
    check "$column: the suite comes to its end" grep -q '^{"passed"' "$RESULTS/$column.json"
    keep_verdicts "$column" < "$RESULTS/$column.json"
}

# Runs each case by itself, and afterwards a command that makes the server fit for the next one.
examine_one_by_one() { # COLUMN LOCATOR PATTERN SECONDS COMMAND [OPTION...]
    local column=$1 locator=$2 pattern=$3 limit=$4 mend=$5 all names name other others
    shift 5
    mapfile -t all < <("$PERIPROX" check --list --json | sed -n 's/^{"case":"\([^"]*\)".*/\1/p')
    mapfile -t names < <(printf '%s\n' "${all[@]}" | grep -E "^($pattern)")
    for name in "${names[@]}"; do
        others=()
        for other in "${all[@]}"; do # Those whose names contain this one.
            if [[ $other == *"$name"* && $other != "$name" ]]; then others+=(--skip "$other"); fi
        done
        "$PERIPROX" check "$locator" --yes --timeout "$limit" --json -k "$name" "${others[@]}" "$@" \
            2> "$LAB_SCRATCH/check.err" | grep "^{\"case\":\"$name\"," | keep_verdicts "$column"
        $mend "$name"
    done
    check_equal "$column: every case has a verdict" ${#names[@]} "$(wc -l < "$RESULTS/$column")"
}
failures() { # COLUMN
    sed -n 's/^\([^|]*\)|fail|.*/\1/p' "$RESULTS/$1"
}
passes() { # COLUMN
    grep -c '|pass|' "$RESULTS/$1"
}

# A gadget zero of the kernel with both its configurations, so that there are endpoints that wait.
make_gadget() { # UDC
    local zero=/sys/kernel/config/usb_gadget/zero
    modprobe libcomposite
    mkdir -p $zero/strings/0x409 $zero/configs/c.3 $zero/configs/c.2 $zero/functions/SourceSink.0 \
        $zero/functions/Loopback.0
    echo 0x0525 > $zero/idVendor
    echo 0xa4a0 > $zero/idProduct
    ln -s $zero/functions/SourceSink.0 $zero/configs/c.3/
    ln -s $zero/functions/Loopback.0 $zero/configs/c.2/
    echo "$1" > $zero/UDC
}

too_large=(                       # The kernel asks for this much memory at once, and warns.
    --skip bulk.in_16m
    --skip bulk.out_16m
    --skip header.negative_in
    --skip header.negative_out
    --skip header.huge_in
    --skip header.huge_out
)

# Stock usbip-vudc, which is a gadget and its server in one.
if [[ ${1-} == vudc ]]; then
    modprobe usbip-vudc num=1 || bail_out "usbip-vudc loads"
    make_gadget usbip-vudc.0
    start_stock_server -e
    vudc=/sys/devices/platform/usbip-vudc.0
    is_available() { [[ $(cat $vudc/usbip_status) == 1 ]]; }
    # After some errors it neither ends the connection nor sees it end: the device stays in use.
    take_back() { # CASE
        LAB_PATIENCE=3 wait_for is_available && return
        echo "# $1 leaves the device in use"
        echo -1 > $vudc/usbip_sockfd
        wait_for is_available || bail_out "usbip-vudc lets go of its connection after $1"
    }
    vudc_skips=( # __dev_printk() oopses when v_rx says what is wrong.
        --skip header.direction
        --skip end.half_payload_fin
        --skip end.half_payload_rst
    )
    examine_one_by_one usbip-vudc usbip://127.0.0.1/usbip-vudc.0 "${2-}" "${3-10}" take_back \
        "${vudc_skips[@]}" "${too_large[@]}"
    expect_clean_dmesg "the kernel log is clean after usbip-vudc"
    finish
fi

# Ours, emulated: no case may fail, and none may be left out.
start_server tcp://127.0.0.1:3240 emulated:zero
examine emulated usbip://127.0.0.1/1-1
check_equal "our server with an emulated device fails nothing" "" "$(failures emulated)"
check_equal "... and every case applies" "" "$(grep '|not applicable|' "$RESULTS/emulated")"
stop_server TERM
expect_clean_dmesg "the kernel log is clean after our server, emulated"

modprobe dummy_hcd
make_gadget dummy_udc.0
wait_for gadget_is_there || bail_out "the gadget is enumerated"

start_server tcp://127.0.0.1:3240 "$GADGET"
examine physical "usbip://127.0.0.1/$GADGET"
check_equal "our server with a real device fails nothing" "" "$(failures physical)"
check "... and most cases apply" test "$(passes physical)" -ge 100
stop_server TERM
expect_clean_dmesg "the kernel log is clean after our server, physical"

if [[ ${1-} != stock ]]; then finish; fi

# Stock usbip-host.
modprobe usbip-host
must usbip bind -b "$GADGET"
start_stock_server
stock_skips=(
    --skip unlink.race            # stub_rx_loop oopses when UNLINK and completion race
    --skip unlink.race_on_control # the same
    --skip flow.1000_requests     # stub_rx_loop oopses under queued control requests
    --skip control.wrong_direction # usb_submit_urb() warns: BOGUS control dir
)
examine usbip-host "usbip://127.0.0.1/$GADGET" "${stock_skips[@]}" "${too_large[@]}"
kill $USBIPD
usbip unbind -b "$GADGET" > /dev/null 2>&1
expect_clean_dmesg "the kernel log is clean after usbip-host"
finish
