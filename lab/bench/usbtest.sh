# How long usbtest cases take through PeriProx and through stock usbip-host, in one guest.
#
# Only ratios taken in one boot mean anything, so all ways are measured in turn, three rounds, and
# the best of each counts. usbip-host exports a gadget of the kernel (dummy_hcd), whose own time is
# in the first column. PeriProx serves the devices given as arguments, else its emulated gadget zero, which
# has no host controller behind it.
#
#     lab/lab run lab/bench/usbtest.sh [DEVICE]
#
# lab-timeout: 900
. "$LAB_REPO/lab/guest/lib.sh"

cases=(
    1:iterations=500,length=512
    2:iterations=500,length=512
    5:iterations=100,length=512,sglen=16
    6:iterations=100,length=512,sglen=16
    9:iterations=100
    14:iterations=500,length=256,vary=1
    27:iterations=50,length=16384,sglen=32
    28:iterations=50,length=16384,sglen=32
)

start_gadget_zero
bind_usbtest "$GADGET" 0 0

# Seconds that a case takes on a device, "failed" if it does not pass.
seconds() { # BUSID CASE
    "$USBTEST_RUNNER" --json --device "$1" "$2" |
        sed -n 's/.*"result": "\([a-z]*\)".*"seconds": \([0-9.]*\)}/\1 \2/p' |
        { read -r result time && [[ $result == passed ]] && echo "$time" || echo failed; }
}

declare -A best
measure() { # WAY BUSID
    local item time
    for item in "${cases[@]}"; do
        time=$(seconds "$2" "$item")
        if [[ $time == failed ]]; then
            best[$1 $item]=failed
        elif [[ -z ${best[$1 $item]-} || ${best[$1 $item]} > $time ]]; then # all have 6 decimals
            best[$1 $item]=$time
        fi
    done
}

start_server "tcp://127.0.0.1:$LAB_PORT" "${@:-emulated:zero?speed=high}"
modprobe usbip-host
usbipd -4 > /dev/null 2>&1 &
for _ in 1 2 3; do
    bind_usbtest "$GADGET" 0 0
    measure direct "$GADGET"

    attach 1-1 127.0.0.1 "$LAB_PORT"
    bind_usbtest "$LOCAL" 0 0
    measure periprox "$LOCAL"
    detach "$PORT"

    must usbip bind -b "$GADGET"
    wait_for usbip list -r 127.0.0.1
    attach "$GADGET"
    bind_usbtest "$LOCAL" 0 0
    measure stock "$LOCAL"
    detach "$PORT"
    must usbip unbind -b "$GADGET"
done

row='%-40s %10s %10s %10s %16s\n'
# shellcheck disable=SC2059
printf "$row" case direct stock periprox periprox/stock
for item in "${cases[@]}"; do
    ours=${best[periprox $item]} theirs=${best[stock $item]} ratio=-
    if [[ $ours != failed && $theirs != failed ]]; then
        ratio=$(awk "BEGIN { printf \"%.2f\", $ours / $theirs }")
    fi
    # shellcheck disable=SC2059
    printf "$row" "$item" "${best[direct $item]}" "$theirs" "$ours" "$ratio"
done
check_equal "no case failed" "" "$(printf '%s\n' "${best[@]}" | grep failed)"
finish
