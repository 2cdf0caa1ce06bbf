# Every emulated function, plugged in and taken out some hundred times: neither our process nor the
# kernel keeps anything of it. Before that, the port of each is suspended and resumed once.
#
#     lab/lab run lab/soak/plug_cycles.sh [CYCLES]
#
# lab-timeout: 7200
. "$LAB_REPO/lab/guest/lib.sh"

CYCLES=${1:-300}
functions=(keyboard mouse tablet 'storage?size=4M' serial audio network camera 'camera?pipe=bulk'
    'network?mode=ecm&speed=full' 'audio?speed=full'
    'composite?of=keyboard,serial,storage,audio,network,camera')

for module in usbhid hid-generic usb-storage sd_mod cdc-acm snd-usb-audio cdc_ncm cdc_ether uvcvideo; do
    must modprobe "$module"
done
echo 0 > /sys/module/usb_storage/parameters/delay_use

# How much of something there is; the kernel's own caches are dropped before it is asked.
kilobytes() { # KEY FILE
    sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "$2"
}
descriptors() { ls "/proc/$SERVER/fd" | wc -l; }
memory() { kilobytes VmRSS "/proc/$SERVER/status"; }
slab() {
    echo 3 > /proc/sys/vm/drop_caches
    kilobytes SUnreclaim /proc/meminfo
}

start_server tcp://127.0.0.1:3240 "${functions[@]/#/emulated:}"

for ((i = 1; i <= ${#functions[@]}; i++)); do
    # The console listens to every keyboard, and ours cannot wake its host up.
    [[ ${functions[i - 1]} == *keyboard* ]] && continue
    attach "1-$i"
    echo "# ${functions[i - 1]}"
    for power in /sys/bus/usb/devices/"$LOCAL"/*/host*/target*/*/power; do
        [[ -e $power/control ]] || continue
        echo 0 > "$power/autosuspend_delay_ms"
        echo auto > "$power/control"
    done
    check_suspend_and_resume "$LOCAL"
    detach "$PORT"
done
expect_clean_dmesg

row='%8s %12s %12s %14s\n'
# shellcheck disable=SC2059
printf "# $row" cycles descriptors 'memory (kB)' 'slab (kB)'
for ((cycle = 1; cycle <= CYCLES; cycle++)); do
    attach "1-$((cycle % ${#functions[@]} + 1))"
    detach "$PORT"
    # The first rounds fill pools and caches.
    if ((cycle == 4 * ${#functions[@]})); then
        wait_for all_ports_free
        before_descriptors=$(descriptors) before_memory=$(memory) before_slab=$(slab)
    fi
    if ((cycle % (4 * ${#functions[@]}) == 0)); then
        # shellcheck disable=SC2059
        printf "# $row" "$cycle" "$(descriptors)" "$(memory)" "$(slab)"
    fi
done
ok "devices were plugged in and taken out $CYCLES times"
fewer_descriptors() { (($(descriptors) <= before_descriptors)); }
check "the server holds no more descriptors than after the first rounds" wait_for fewer_descriptors
echo "# memory of the server: $before_memory kB, now $(memory) kB"
check "... and no more memory, but for 512 kB" test "$(memory)" -le $((before_memory + 512))
now_slab=$(slab)
echo "# unreclaimable slab: $before_slab kB, now $now_slab kB"
check "the kernel holds no more than 4 kB for each cycle" \
    test "$now_slab" -le $((before_slab + 4 * CYCLES))
expect_clean_dmesg
stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
check "every port is free" wait_for all_ports_free
finish
