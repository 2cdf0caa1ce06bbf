# Emulated disks under the kernel's own usb-storage and file systems, through stock vhci_hcd: what is
# written through a file system lies in the image, byte by byte; media come and go; a disk that is
# unplugged in the middle of a write leaves an image that fsck can mend.
#
# lab-timeout: 900
. "$LAB_REPO/lab/guest/lib.sh"

attach_disk() { # BUSID
    attach "$1"
    wait_for has_block "$LOCAL" || bail_out "a disk appears" "$(dmesg | tail -n 8)"
    DISK=/dev/$(block_of "$LOCAL")
}
sectors_of() { cat "/sys/block/$(basename "$1")/size"; } # DISK, in 512 bytes
sum() { md5sum "$@" | cut -d ' ' -f 1; }

modprobe usb-storage
modprobe sd_mod
modprobe ext4
echo 0 > /sys/module/usb_storage/parameters/delay_use
image=$LAB_SCRATCH/disk.img
mkfifo "$LAB_SCRATCH/hands"
head -c 1M /dev/urandom > "$LAB_SCRATCH/second.img"
head -c 64K /dev/urandom > "$LAB_SCRATCH/readonly.img"

start_server tcp://127.0.0.1:3240 "emulated:storage?image=$image&size=48M&serial=D1&speed=super" \
    'emulated:storage?size=3T' \
    "emulated:storage?size=2M&sector=4096&removable=1&input=$LAB_SCRATCH/hands" \
    "emulated:storage?image=$LAB_SCRATCH/readonly.img&readonly=1&speed=full"

# --- A file system ---

attach_disk 1-1
mounted=$DISK
mounted_port=$PORT
check "usb-storage binds" is_bound_to "$LOCAL:1.0" usb-storage
check_equal "the disk is as large as its image" $((48 * 2048)) "$(sectors_of "$DISK")"
must mkfs.ext4 -q -F "$DISK"
mkdir -p /mnt/disk
must mount "$DISK" /mnt/disk
head -c 8M /dev/urandom > "$LAB_SCRATCH/data"
must cp "$LAB_SCRATCH/data" /mnt/disk/data
must umount /mnt/disk
check "fsck finds nothing wrong in the image itself" fsck.ext4 -f -n "$image"
must debugfs -R "dump /data $LAB_SCRATCH/dumped" "$image"
check "the file lies in the image, byte by byte" cmp "$LAB_SCRATCH/data" "$LAB_SCRATCH/dumped"
echo 1 > "/sys/block/$(basename "$DISK")/device/delete"
detach "$mounted_port"
attach_disk 1-1
check_equal "the disk reads as its image does" "$(sum "$image")" "$(sum "$DISK")"
must mount "$DISK" /mnt/disk
check "the file is read back after attaching again" cmp "$LAB_SCRATCH/data" /mnt/disk/data
expect_clean_dmesg

# --- Unplugged in the middle of a write ---

head -c 16M /dev/zero > "$LAB_SCRATCH/zeros"
(while cp "$LAB_SCRATCH/zeros" /mnt/disk/more && sync /mnt/disk/more; do :; done) 2> /dev/null &
writer=$!
wait_for test -s /mnt/disk/more
detach "$PORT"
wait "$writer" 2> /dev/null
ok "a writer to an unplugged disk ends"
umount -l /mnt/disk
fsck.ext4 -f -y "$image" > "$LAB_SCRATCH/fsck" 2>&1
check "fsck mends what the unplugged disk left" fsck.ext4 -f -n "$image"
attach_disk 1-1
must mount "$DISK" /mnt/disk
check "what was there before is there still" cmp "$LAB_SCRATCH/data" /mnt/disk/data
must umount /mnt/disk
detach "$PORT"

# --- Beyond 2 TiB ---

attach_disk 1-2
check_equal "a disk has 3 TiB" $((3 << 31)) "$(sectors_of "$DISK")"
must dd "if=$LAB_SCRATCH/second.img" "of=$DISK" bs=64K seek=$(((3 << 24) - 16)) \
    oflag=direct conv=fsync status=none
must dd "if=$DISK" "of=$LAB_SCRATCH/end" bs=64K skip=$(((3 << 24) - 16)) iflag=direct status=none
check "its last mebibyte is read as it was written" cmp "$LAB_SCRATCH/second.img" "$LAB_SCRATCH/end"
detach "$PORT"

# --- Removable media, sectors of 4096 bytes ---

attach_disk 1-3
check_equal "a disk has sectors of 4096 bytes" 4096 \
    "$(cat "/sys/block/$(basename "$DISK")/queue/logical_block_size")"
check_equal "it is removable" 1 "$(cat "/sys/block/$(basename "$DISK")/removable")"
must dd "if=$LAB_SCRATCH/second.img" "of=$DISK" bs=64K conv=fsync status=none
check "it reads what was written" cmp -n 1048576 "$LAB_SCRATCH/second.img" "$DISK"
has_no_medium() { ! dd "if=$DISK" of=/dev/null count=1 status=none; }
has_size() { head -c 0 "$DISK" && [[ $(sectors_of "$DISK") == "$1" ]]; }
echo eject > "$LAB_SCRATCH/hands"
check "without its medium it cannot be read" wait_for has_no_medium
echo "insert $LAB_SCRATCH/second.img" > "$LAB_SCRATCH/hands"
check "another medium has another size" wait_for has_size 2048
check "... and other data" cmp "$LAB_SCRATCH/second.img" "$DISK"
# What eject(1) does: unlock the door, eject (2) or load (3).
start_stop() { # DISK REQUEST
    python3 -c 'import fcntl, os, sys
disk = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
fcntl.ioctl(disk, 0x5381)  # SCSI_IOCTL_DOORUNLOCK
fcntl.ioctl(disk, int(sys.argv[2], 16))' "$1" "$2"
}
must start_stop "$DISK" 0x5309 # CDROMEJECT
check "the host can eject it" wait_for grep -q 'the host ejected' "$SERVER_LOG.err"
check "... and load it again" start_stop "$DISK" 0x5319
check "... and read it" wait_for cmp "$LAB_SCRATCH/second.img" "$DISK"
detach "$PORT"

# --- Read-only ---

attach_disk 1-4
check_equal "a read-only disk says so" 1 "$(cat "/sys/block/$(basename "$DISK")/ro")"
before=$(sum "$LAB_SCRATCH/readonly.img")
check "it is read" cmp "$LAB_SCRATCH/readonly.img" "$DISK"
check "it cannot be written to" bash -c "! dd if=/dev/zero of=$DISK count=1 status=none"
check_equal "its image stayed as it was" "$before" "$(sum "$LAB_SCRATCH/readonly.img")"
detach "$PORT"

expect_clean_dmesg
stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
check "every port is free" wait_for all_ports_free
expect_clean_dmesg
finish
