# Every emulated function, plugged in and taken out some hundred times: neither our process nor the
# kernel keeps anything of it. Before that, the port of each is suspended and resumed once.
#
# In each round all functions are plugged in side by side, by us or (every fourth time) by the stock
# client; then what the driver of each makes of it has to be there, such as a block device.
#
#     lab/lab run lab/soak/plug_cycles.sh [CYCLES]
#
# lab-timeout: 14400
# Nothing here is about time, and one wait too short would end hours of it.
LAB_PATIENCE=${LAB_PATIENCE:-600}
. "$LAB_REPO/lab/guest/lib.sh"

CYCLES=${1:-300}
functions=(keyboard mouse tablet 'storage?size=4M' serial audio network camera 'camera?pipe=bulk'
    'network?mode=ecm&speed=full' 'audio?speed=full'
    'composite?of=keyboard,serial,storage,audio,network,camera')
# What the drivers make of each, below the device's interfaces.
input='*/input/input*/event*' disk='host*/target*/*/block/*' tty='tty/tty*' card='sound/card*' \
    net='net/*' video='video4linux/video*'
nodes=("$input" "$input" "$input" "$disk" "$tty" "$card" "$net" "$video" "$video" "$net" "$card"
    "$input $tty $disk $card $net $video")

for module in usbhid hid-generic evdev usb-storage sd_mod cdc-acm snd-usb-audio cdc_ncm cdc_ether \
    uvcvideo; do
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

served=() locators=()
for ((i = 0; i < ${#functions[@]}; i++)); do
    separator=?
    if [[ ${functions[i]} == *\?* ]]; then separator='&'; fi
    served+=("emulated:${functions[i]}${separator}serial=F$i")
    locators+=("usbip://127.0.0.1/1-$((i + 1))")
done
start_server tcp://127.0.0.1:3240 "${served[@]}"

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

# The functions that lack something of what their drivers make. No process is started: this is asked
# again and again, thousands of times.
incomplete() {
    local i file serial node wanted at=()
    for file in /sys/bus/usb/devices/*-*/serial; do
        if { read -r serial < "$file"; } 2> /dev/null && [[ $serial == F* ]]; then at[${serial#F}]=${file%/*}; fi
    done
    for ((i = 0; i < ${#functions[@]}; i++)); do
        read -ra wanted <<< "${nodes[i]}"
        for node in "${wanted[@]}"; do
            [[ -n ${at[i]-} ]] && compgen -G "${at[i]}/${at[i]##*/}:*/$node" > /dev/null || echo "${functions[i]} lacks $node"
        done
    done
}
are_complete() { [[ -z $(incomplete) ]]; }

plug_all_in() { # ROUND
    local i
    if (($1 % 4 == 0)); then
        # It takes the first free port, where the kernel may still have the last device.
        wait_for hub_is_empty || bail_out "the kernel has taken out all devices"
        for ((i = 1; i <= ${#functions[@]}; i++)); do
            # It refuses while a device has its address and is not registered yet.
            wait_for usbip attach -r 127.0.0.1 -b "1-$i" || bail_out "the stock client attaches 1-$i"
        done
    else
        must "$PERIPROX" attach --background --wait "$LAB_PATIENCE" "${locators[@]}"
    fi
    wait_for are_complete || bail_out "the drivers of all functions bind in round $1" "$(incomplete)
$(vhci_ports | grep -v ' 004 ')
$(dmesg | tail -n 20)"
}
take_all_out() {
    must "$PERIPROX" detach --all --wait "$LAB_PATIENCE"
    wait_for all_ports_free || bail_out "all ports are free" "$(vhci_ports | grep -v ' 004 ')"
}

row='%8s %12s %12s %14s %10s\n'
# shellcheck disable=SC2059
printf "# $row" cycles descriptors 'memory (kB)' 'slab (kB)' seconds
rounds=$(((CYCLES + ${#functions[@]} - 1) / ${#functions[@]}))
# Pools and caches are filled by the first rounds, those of both clients.
settled=4
for ((round = 1; round <= rounds; round++)); do
    plug_all_in "$round"
    take_all_out
    if ((round == settled)); then
        before_descriptors=$(descriptors) before_memory=$(memory) before_slab=$(slab)
    fi
    if ((round % settled == 0)); then
        # shellcheck disable=SC2059
        printf "# $row" $((round * ${#functions[@]})) "$(descriptors)" "$(memory)" "$(slab)" "$SECONDS"
    fi
done
((rounds > settled)) || bail_out "there are rounds to compare with the first ones"
cycles=$((rounds * ${#functions[@]}))
ok "devices were plugged in, bound and taken out $cycles times"
fewer_descriptors() { (($(descriptors) <= before_descriptors)); }
check "the server holds no more descriptors than after the first rounds" wait_for fewer_descriptors
echo "# memory of the server: $before_memory kB, now $(memory) kB"
check "... and no more memory, but for 512 kB" test "$(memory)" -le $((before_memory + 512))
now_slab=$(slab)
echo "# unreclaimable slab: $before_slab kB, now $now_slab kB"
# Half a megabyte comes and goes by itself.
more=$((cycles - settled * ${#functions[@]}))
check "the kernel holds no more than 2 kB for each cycle" \
    test "$now_slab" -le $((before_slab + 512 + 2 * more))
expect_clean_dmesg
stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
check "every port is free" wait_for all_ports_free
finish
