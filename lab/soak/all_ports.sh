# A device in every port that the kernel has, all at once: with Debian's kernels 120 of low and 120 of
# SuperSpeed. Takes minutes, most of which the kernel waits for hub ports to debounce, one after another.
#
#     lab/lab run lab/soak/all_ports.sh
#
# lab-timeout: 1800
# lab-allow: task kworker/.* blocked for more than # hubs of a controller enumerate in turn, 15 devices each
. "$LAB_REPO/lab/guest/lib.sh"

must modprobe vhci-hcd
total=$(cat /sys/devices/platform/vhci_hcd.0/nports)
devices=()
for ((i = 0; i < total / 2; i++)); do devices+=("emulated:go_temp?serial=N$i"); done
for ((i = 0; i < total / 2; i++)); do devices+=("emulated:zero?speed=super&serial=S$i"); done
"$PERIPROX" attach --background --wait 1200 --json "${devices[@]}" > "$LAB_SCRATCH/all" 2> "$LAB_SCRATCH/err"
check_equal "all $total ports at once" "$total" "$(grep -c '"event":"attached"' "$LAB_SCRATCH/all")"
cat "$LAB_SCRATCH/err"
check_equal "none is free" "" "$("$PERIPROX" ports --all | grep free)"
printed=$("$PERIPROX" attach emulated:go_temp 2>&1)
check "one device more is refused with the reason" grep -q "all ports for low to high speed are taken" <<< "$printed"
"$PERIPROX" detach --all --wait 600 > /dev/null
check "all are free again" all_ports_free
finish
