# How long usbtest cases take through PeriProx, through stock usbip-host, and through a server that
# checks nothing (lab/bench/bare.cpp), on one gadget zero of the kernel (dummy_hcd), in one boot.
#
# Only ratios taken in one boot mean anything, and this machine's speed drifts while it runs. So the
# gadget is exported by one after the other, in each round; each time every case runs once, and the
# medians of all rounds are compared. The first column is the gadget without any USB/IP. The ratios are
# to stock.
#
#     lab/lab run lab/bench/usbtest.sh [full|high|super] [ROUNDS]
#
# usbip-host oopses under cases 10, 11, 12 and 24: it is not asked for them.
#
# lab-timeout: 1800
. "$LAB_REPO/lab/guest/lib.sh"
. "$LAB_REPO/lab/bench/lib.sh"

SPEED=${1:-high}
ROUNDS=${2:-7}

start_gadget_zero "$SPEED"
modprobe usbip-host
for ((round = 0; round < ROUNDS; ++round)); do
    measure direct "$GADGET" 0 "${cases[@]}"

    start_server "tcp://127.0.0.1:$LAB_PORT" "$GADGET"
    attach "$GADGET" 127.0.0.1 "$LAB_PORT"
    measure periprox "$LOCAL" 0 "${cases[@]}"
    detach "$PORT"
    stop_server TERM > "$LAB_SCRATCH/stopped"

    start_bare export "$GADGET" "$LAB_PORT"
    attach "$GADGET" 127.0.0.1 "$LAB_PORT"
    measure bare "$LOCAL" 0 "${bare_cases[@]}"
    detach "$PORT"
    wait "$BARE_PID"

    must usbip bind -b "$GADGET"
    start_stock_server
    attach "$GADGET"
    measure stock "$LOCAL" 0 "${safe_cases[@]}"
    detach "$PORT"
    kill "$USBIPD"
    must usbip unbind -b "$GADGET"
done

row='%-46s %10s %10s %10s %10s %8s %8s\n'
printf '%s speed, medians of %s rounds, seconds\n' "$SPEED" "$ROUNDS"
# shellcheck disable=SC2059
printf "$row" case direct stock bare periprox bare periprox
for item in "${cases[@]}"; do
    ours=$(median periprox "$item") theirs=$(median stock "$item") bare=$(median bare "$item")
    # shellcheck disable=SC2059
    printf "$row" "$item" "$(median direct "$item")" "$theirs" "$bare" "$ours" \
        "$(ratio "$bare" "$theirs")" "$(ratio "$ours" "$theirs")"
done
check_equal "no case failed" "" "$(printf '%s\n' "${times[@]}" | grep -m 1 failed)"
finish
