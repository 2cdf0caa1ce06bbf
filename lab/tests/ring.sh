# Devices of the machine outside, used in the guest through memory that both share: QEMU's ivshmem
# devices, a ring in each, no network. Only a real kernel and a real BAR tell whether the mapping, its
# caching and the waiting without interrupts work.
#
# lab-timeout: 600
# lab-host: "$PERIPROX" serve emulated:zero 'emulated:go_temp?celsius=36.6' --listen ring+file:///dev/shm/periprox-lab-ring-1 --listen ring+file:///dev/shm/periprox-lab-ring-2
# lab-qemu: -object memory-backend-file,id=ring1,share=on,mem-path=/dev/shm/periprox-lab-ring-1,size=64M -device ivshmem-plain,memdev=ring1
# lab-qemu: -object memory-backend-file,id=ring2,share=on,mem-path=/dev/shm/periprox-lab-ring-2,size=64M -device ivshmem-plain,memdev=ring2
. "$LAB_REPO/lab/guest/lib.sh"

RINGS=()
for device in /sys/bus/pci/devices/*; do
    [[ $(cat "$device/vendor"):$(cat "$device/device") != 0x1af4:0x1110 ]] ||
        RINGS+=("ring+pci://$(basename "$device")")
done
check_equal "the guest has two ivshmem devices" 2 ${#RINGS[@]}

is_listed() { "$PERIPROX" list "${RINGS[0]}" | grep -q "^1-1 .*0525:a4a0"; }
wait_for is_listed || bail_out "the machine's devices are listed through the ring"
ok "the machine's devices are listed through the ring"

ZERO=${RINGS[0]}/1-1
check "the descriptors come through the ring" \
    grep -q "Gadget Zero" <("$PERIPROX" show "$ZERO")
# What counts is that every byte is there; zero's own tests look at what they are.
for size in 1 512 4096 65536 1000000; do
    check_equal "$size bytes come in" $size \
        "$("$PERIPROX" transfer "$ZERO" in 0x81 $size --timeout 60 | wc -c)"
done
check "1000000 bytes go out" \
    bash -c "head -c 1000000 /dev/zero | '$PERIPROX' transfer '$ZERO' out 0x01 --timeout 60"

# Two rings at once: a stream through one while the other is used.
"$PERIPROX" transfer "$ZERO" in 0x81 65536 --count 0 --timeout 60 > /dev/null 2>&1 &
stream=$!
is_in_use() { ! "$PERIPROX" list "${RINGS[1]}" | grep -q "^1-1 "; }
check "a device in use is not offered to others" wait_for is_in_use
check_equal "36.6 degC come through the second ring meanwhile" 4685 \
    "$("$PERIPROX" transfer "${RINGS[1]}/1-2" in 0x81 8 --timeout 60 | od -An -t d2 -j2 -N2 | tr -d ' ')"
check "the first ring's stream goes on" kill -0 $stream

# Killed amid traffic: the exporter notices by the heartbeat, and the device is free again.
kill -KILL $stream
wait $stream 2> /dev/null
is_free() { "$PERIPROX" list "${RINGS[1]}" | grep -q "^1-1 "; }
check "a killed importer's device is free again" wait_for is_free
check_equal "... and the ring can be joined again" 65536 \
    "$("$PERIPROX" transfer "$ZERO" in 0x81 65536 --timeout 60 | wc -c)"

# For the reader of the log; nothing is asserted about it.
for caching in "uncached=0" "uncached=1"; do
    start=$(date +%s%N)
    bytes=$("$PERIPROX" transfer "$ZERO?$caching" in 0x81 1000000 --count 16 --timeout 60 | wc -c)
    check_equal "16 MB come with $caching" 16000000 "$bytes"
    echo "# $caching: $(((bytes * 1000) / (($(date +%s%N) - start) / 1000))) kB/s, start and joining included"
done

expect_clean_dmesg
finish
