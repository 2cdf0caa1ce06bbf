# How long usbtest cases take through PeriProx and through stock usbip-host, on one gadget zero of
# the kernel (dummy_hcd), in one boot.
#
# Only ratios taken in one boot mean anything, and this machine's speed drifts while it runs. So the
# gadget is exported by the one, then by the other, and so on; each time every case runs once, and the
# medians of all rounds are compared. The first column is the gadget without any USB/IP.
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
usbipd -4 > /dev/null 2>&1 &
for ((round = 0; round < ROUNDS; ++round)); do
    measure direct "$GADGET" 0 "${cases[@]}"

    start_server "tcp://127.0.0.1:$LAB_PORT" "$GADGET"
    attach "$GADGET" 127.0.0.1 "$LAB_PORT"
    measure periprox "$LOCAL" 0 "${cases[@]}"
    detach "$PORT"
    stop_server TERM > "$LAB_SCRATCH/stopped"

    must usbip bind -b "$GADGET"
    wait_for usbip list -r 127.0.0.1
    attach "$GADGET"
    measure stock "$LOCAL" 0 "${safe_cases[@]}"
    detach "$PORT"
    must usbip unbind -b "$GADGET"
done

row='%-40s %10s %10s %10s %16s\n'
printf '%s speed, medians of %s rounds, seconds\n' "$SPEED" "$ROUNDS"
# shellcheck disable=SC2059
printf "$row" case direct stock periprox periprox/stock
for item in "${cases[@]}"; do
    ours=$(median periprox "$item") theirs=$(median stock "$item")
    # shellcheck disable=SC2059
    printf "$row" "$item" "$(median direct "$item")" "$theirs" "$ours" "$(ratio "$ours" "$theirs")"
done
check_equal "no case failed" "" "$(printf '%s\n' "${times[@]}" | grep -m 1 failed)"
finish
