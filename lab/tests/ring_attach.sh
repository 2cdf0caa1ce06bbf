# Devices of the machine outside in two guests' own kernels, through memory that each shares with it:
# attach over ivshmem into vhci_hcd, one server for both. Only a real kernel tells whether its drivers
# are content with devices that come through a ring without interrupts: usbtest drives one, a file
# system lives on another.
#
# lab-timeout: 900
# lab-host: "$PERIPROX" serve 'emulated:zero?pattern=1' 'emulated:storage?size=24M' 'emulated:zero?pattern=1' 'emulated:storage?size=24M' --limit breaker --limit orphans --listen ring+file:///dev/shm/periprox-lab-attach-1 --listen ring+file:///dev/shm/periprox-lab-attach-2
# lab-guests: 2
# lab-qemu: -object memory-backend-file,id=ring,share=on,mem-path=/dev/shm/periprox-lab-attach-1,size=64M -device ivshmem-plain,memdev=ring
# lab-qemu2: -object memory-backend-file,id=ring,share=on,mem-path=/dev/shm/periprox-lab-attach-2,size=64M -device ivshmem-plain,memdev=ring
. "$LAB_REPO/lab/guest/lib.sh"

RING=
for device in /sys/bus/pci/devices/*; do
    [[ $(cat "$device/vendor"):$(cat "$device/device") != 0x1af4:0x1110 ]] ||
        RING=ring+pci://$(basename "$device")
done
[[ -n $RING ]] || bail_out "the guest has an ivshmem device"
# Four devices, two for each guest.
ZERO=$RING/1-$((2 * LAB_GUEST - 1))
DISK=$RING/1-$((2 * LAB_GUEST))

must modprobe vhci-hcd
must modprobe usbtest
must modprobe usb-storage
must modprobe sd_mod
must modprobe ext4
echo 0 > /sys/module/usb_storage/parameters/delay_use
is_listed() { "$PERIPROX" list "$RING" | grep -q "^1-"; }
wait_for is_listed || bail_out "the machine's devices are listed through the ring"

attach_over_ring() { # LOCATOR: LOCAL becomes its bus id here
    must "$PERIPROX" attach --background "$1"
    LOCAL=$("$PERIPROX" ports --json | python3 -c "
import json, sys
print(*[port['busid'] for port in json.load(sys.stdin)['ports'] if port.get('locator') == '$1'])")
    [[ -n $LOCAL ]] || bail_out "$1 has a port" "$("$PERIPROX" ports)"
}

attach_over_ring "$ZERO"
bind_usbtest "$LOCAL" 0 1
run_usbtest "bulk and control over a ring" "$LOCAL" \
    1:iterations=20,length=512 2:iterations=20,length=512 \
    3:iterations=10,length=4096,vary=512 4:iterations=10,length=4096,vary=512 \
    5:iterations=5,length=4096,sglen=8 6:iterations=5,length=4096,sglen=8 \
    9:iterations=10 10:iterations=10,sglen=8 13:iterations=5 14:iterations=20,length=256,vary=64 \
    24:iterations=5,length=1024,sglen=8
expect_clean_dmesg
must "$PERIPROX" detach "$ZERO"
check "the ports are free" wait_for all_ports_free

mount_disk() {
    attach_over_ring "$DISK"
    wait_for has_block "$LOCAL" || bail_out "a disk appears" "$(dmesg | tail -n 8)"
}
mount_disk
must mkfs.ext4 -q -F "/dev/$(block_of "$LOCAL")"
mkdir -p /mnt/disk
must mount "/dev/$(block_of "$LOCAL")" /mnt/disk
head -c 4M /dev/urandom > "$LAB_SCRATCH/data"
must cp "$LAB_SCRATCH/data" /mnt/disk/data
must umount /mnt/disk
must "$PERIPROX" detach "$DISK"
check "the ports are free again" wait_for all_ports_free
# Attached anew, so that nothing comes out of a cache.
mount_disk
check "fsck finds nothing wrong" fsck.ext4 -f -n "/dev/$(block_of "$LOCAL")"
must mount -o ro "/dev/$(block_of "$LOCAL")" /mnt/disk
check "what was written through the ring is read through it" cmp "$LAB_SCRATCH/data" /mnt/disk/data
must umount /mnt/disk
must "$PERIPROX" detach "$DISK"

expect_clean_dmesg
finish
