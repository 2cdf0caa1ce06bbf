# How fast an emulated disk is through `periprox attach`, beside QEMU's own usb-storage on its own xHCI
# controller: two disks of the same size, in one guest and one boot, in turn.
#
# The two are not alike: our disk, the session in front of it and vhci_hcd are emulated instructions of
# this guest; QEMU's device and controller are the machine's own code, with no medium behind them (null-co).
# So the figures say what a guest sees, and not which code is better.
#
#     lab/lab run lab/bench/storage.sh [ROUNDS]
#
# lab-timeout: 3600
# lab-qemu: -device qemu-xhci,id=xhci
# lab-qemu: -drive if=none,id=disk,format=raw,file.driver=null-co,file.size=64M,file.read-zeroes=on
# lab-qemu: -device usb-storage,bus=xhci.0,drive=disk
# With -icount the guest's clock leaps while it waits for the machine.
LAB_PATIENCE=${LAB_PATIENCE:-3600}
. "$LAB_REPO/lab/guest/lib.sh"
. "$LAB_REPO/lab/bench/lib.sh"

ROUNDS=${1:-5}

# MB/s of one disk, without the page cache, a line for each of `names`: 32 MiB by 1 MiB in turn, read and
# written; 400 x 4 KiB here and there, read and written.
names=('sequential read, 1 MiB' 'sequential write, 1 MiB' 'random read, 4 KiB' 'random write, 4 KiB')
speeds() { # DISK
    python3 - "/dev/$1" << 'END'
import mmap, os, random, sys, time
disk = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
random.seed(1)
large, small = mmap.mmap(-1, 1 << 20), mmap.mmap(-1, 4096)
in_turn = [i << 20 for i in range(32)]
scattered = [random.randrange(16384) * 4096 for _ in range(400)]
for places, room in ((in_turn, large), (scattered, small)):
    for move in (os.preadv, os.pwritev):
        begin = time.monotonic()
        for place in places:
            assert move(disk, [room], place) == len(room)
        print("%.3f" % (len(places) * len(room) / 1e6 / (time.monotonic() - begin)))
END
}
note_speeds() { # WAY DISK
    local place=0 speed
    while read -r speed; do times[$1 ${names[place++]}]+="$speed "; done < <(speeds "$2")
    ((place == ${#names[@]})) || bail_out "$1: every access succeeds"
}

must modprobe -a xhci-pci usb-storage sd_mod
wait_for is_plugged_in 46f4 0001 || bail_out "QEMU's disk is plugged in"
qemu=$(busid_of 46f4 0001)
wait_for has_block "$qemu" || bail_out "QEMU's disk has its medium"
attach_ours 'emulated:storage?size=64M&speed=super'
wait_for has_block "$LOCAL" || bail_out "our disk has its medium"
for ((round = 0; round < ROUNDS; ++round)); do
    note_speeds qemu "$(block_of "$qemu")"
    note_speeds ours "$(block_of "$LOCAL")"
done

row='%-26s %12s %12s %8s\n'
# shellcheck disable=SC2059
printf "$row" "MB/s, medians of $ROUNDS" QEMU attach ratio
for name in "${names[@]}"; do
    # shellcheck disable=SC2059
    printf "$row" "$name" "$(median qemu "$name")" "$(median ours "$name")" \
        "$(ratio "$(median ours "$name")" "$(median qemu "$name")")"
done
must "$PERIPROX" detach "$PORT"
expect_clean_dmesg
finish
