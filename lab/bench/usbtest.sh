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

SPEED=${1:-high}
ROUNDS=${2:-7}

cases=(
    1:iterations=300,length=512
    2:iterations=300,length=512
    3:iterations=300,length=1024,vary=512
    4:iterations=300,length=1024,vary=512
    5:iterations=30,length=512,sglen=16
    6:iterations=30,length=512,sglen=16
    7:iterations=30,length=1024,vary=512,sglen=16
    8:iterations=30,length=1024,vary=512,sglen=16
    9:iterations=30
    10:iterations=30,sglen=16
    11:iterations=60,length=1024
    12:iterations=60,length=1024
    13:iterations=30,length=512
    14:iterations=300,length=256,vary=1
    17:iterations=200,length=512
    18:iterations=200,length=512
    19:iterations=200,length=512
    20:iterations=200,length=512
    21:iterations=300,length=256,vary=1
    24:iterations=20,length=512,sglen=16
    27:iterations=15,length=16384,sglen=32
    28:iterations=15,length=16384,sglen=32
    29:iterations=30,length=512
)
oopses_usbip_host() { [[ $1 =~ ^(10|11|12|24): ]]; }

# Seconds that a case takes on a device, "failed" if it does not pass.
seconds() { # BUSID CASE
    "$USBTEST_RUNNER" --json --device "$1" "$2" |
        sed -n 's/.*"result": "\([a-z]*\)".*"seconds": \([0-9.]*\)}/\1 \2/p' |
        { read -r result time && [[ $result == passed ]] && echo "$time" || echo failed; }
}

declare -A times
measure() { # WAY BUSID
    local item
    bind_usbtest "$2" 0 0
    for item in "${cases[@]}"; do
        if [[ $1 == stock ]] && oopses_usbip_host "$item"; then continue; fi
        times[$1 $item]+="$(seconds "$2" "$item") "
    done
}

median() { # WAY CASE
    if [[ -z ${times[$1 $2]-} ]]; then
        echo -
    elif [[ ${times[$1 $2]} == *failed* ]]; then
        echo failed
    else
        tr ' ' '\n' <<< "${times[$1 $2]}" | grep . | sort -n | sed -n "$(((ROUNDS + 1) / 2))p"
    fi
}

ratio() { # PART WHOLE
    awk -v part="$1" -v whole="$2" \
        'BEGIN { if (part + 0 > 0 && whole + 0 > 0) printf "%.2f\n", part / whole; else print "-" }'
}

start_gadget_zero "$SPEED"
modprobe usbip-host
usbipd -4 > /dev/null 2>&1 &
for ((round = 0; round < ROUNDS; ++round)); do
    measure direct "$GADGET"

    start_server "tcp://127.0.0.1:$LAB_PORT" "$GADGET"
    attach "$GADGET" 127.0.0.1 "$LAB_PORT"
    measure periprox "$LOCAL"
    detach "$PORT"
    stop_server TERM > "$LAB_SCRATCH/stopped"

    must usbip bind -b "$GADGET"
    wait_for usbip list -r 127.0.0.1
    attach "$GADGET"
    measure stock "$LOCAL"
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
