# How long usbtest cases take on a device at a server, four ways: attached through us, where a session
# checks every reply before the kernel sees it; attached with --direct, where the kernel has the
# connection itself; attached through a process that checks nothing (lab/bench/bare.cpp); and attached by
# the stock client.
#
# One boot, one server, one device; in each round every way is used once, and the medians of all rounds
# are compared.
#
#     lab/lab run lab/bench/attach.sh [stock|emulated] [ROUNDS] [CASES]
#
# stock: usbipd with usbip-host, which has a gadget zero of the kernel. emulated: `periprox serve
# emulated:zero`, which answers faster than any real device does, so that the way shows most. CASES is a
# pattern of case numbers, such as '1|9|27'.
#
# lab-timeout: 3000
# With -icount the guest's clock leaps while it waits for the machine.
LAB_PATIENCE=${LAB_PATIENCE:-3600}
. "$LAB_REPO/lab/guest/lib.sh"
. "$LAB_REPO/lab/bench/lib.sh"

SERVED_BY=${1:-stock}
ROUNDS=${2:-5}
iso_cases=()

must modprobe vhci-hcd
case $SERVED_BY in
    stock)
        start_gadget_zero high
        modprobe usbip-host
        must usbip bind -b "$GADGET"
        start_stock_server
        served=$GADGET
        cases=("${safe_cases[@]}")
        ;;
    emulated)
        start_server tcp://127.0.0.1:3240 emulated:zero
        served=1-1
        iso_cases=(15:iterations=30,length=1024,sglen=16 16:iterations=30,length=1024,sglen=16
            22:iterations=30,length=1024,sglen=16 23:iterations=30,length=1024,sglen=16)
        ;;
    *) bail_out "a server of ours or stock" "$SERVED_BY" ;;
esac

if [[ -n ${3-} ]]; then
    mapfile -t cases < <(printf '%s\n' "${cases[@]}" | grep -E "^($3):")
    mapfile -t iso_cases < <(printf '%s\n' ${iso_cases[@]+"${iso_cases[@]}"} | grep -E "^($3):")
    ((${#cases[@]} + ${#iso_cases[@]} > 0)) || bail_out "cases by the pattern $3, such as '1|9|27'"
fi

# Attaches by a command and measures. A server needs a moment to give the device back.
measure_attached() { # WAY COMMAND...
    local way=$1
    shift
    wait_for "$@" || bail_out "$* attaches"
    PORT=$(ports_not_free)
    wait_for port_is_configured "$PORT" || bail_out "$way: the device is configured"
    LOCAL=$(port_busid "$PORT")
    measure "$way" "$LOCAL" 0 "${cases[@]}"
    if ((${#iso_cases[@]} > 0)); then measure "$way" "$LOCAL" 1 "${iso_cases[@]}"; fi
    must "$PERIPROX" detach "$PORT"
}

for ((round = 0; round < ROUNDS; ++round)); do
    measure_attached through-us "$PERIPROX" attach --background "usbip://127.0.0.1/$served"
    measure_attached direct "$PERIPROX" attach --direct "usbip://127.0.0.1/$served"
    measure_attached bare start_bare relay "$served" 3240 0
    measure_attached stock usbip attach -r 127.0.0.1 -b "$served"
done

row='%-46s %10s %10s %10s %10s %8s %8s %8s\n'
printf 'server %s, medians of %s rounds, seconds; ratios to the stock client\n' "$SERVED_BY" "$ROUNDS"
# shellcheck disable=SC2059
printf "$row" case stock direct bare through-us direct bare through-us
for item in "${cases[@]}" ${iso_cases[@]+"${iso_cases[@]}"}; do
    stock=$(median stock "$item") direct=$(median direct "$item")
    bare=$(median bare "$item") ours=$(median through-us "$item")
    # shellcheck disable=SC2059
    printf "$row" "$item" "$stock" "$direct" "$bare" "$ours" \
        "$(ratio "$direct" "$stock")" "$(ratio "$bare" "$stock")" "$(ratio "$ours" "$stock")"
done
check_equal "no case failed" "" "$(printf '%s\n' "${times[@]}" | grep -m 1 failed)"
finish
