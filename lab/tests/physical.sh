# Real devices through usbfs: what the kernel says to every kind of transfer and special request, and
# that devices go back to their drivers, also after the program was killed.
#
# lab-timeout: 600
# lab-qemu: -device qemu-xhci,id=xhci -drive if=none,id=disk,format=raw,file.driver=null-co,file.size=64M,file.read-zeroes=on -device usb-storage,bus=xhci.0,drive=disk,port=1 -device usb-kbd,bus=xhci.0,port=2,serial=kbd1 -audiodev none,id=snd -device usb-audio,audiodev=snd,bus=xhci.0,port=3
. "$LAB_REPO/lab/guest/lib.sh"

PROBE=$(dirname "$USBTEST_RUNNER")/physical_probe
[[ -x $PROBE ]] || bail_out "a physical_probe to run" "$PROBE"

# Each line "ok - ..." of the probe is a check of this test.
probe() { # NAME ARGS...
	local name=$1 line status
	shift
	"$PROBE" "$@" > "$LAB_SCRATCH/probe" 2>&1
	status=$?
	while read -r line; do
		case $line in
		"ok - "*) ok "$name: ${line#ok - }" ;;
		"not ok - "*) not_ok "$name: ${line#not ok - }" ;;
		*) echo "# $name: $line" ;;
		esac
	done < "$LAB_SCRATCH/probe"
	check_equal "$name: the probe succeeds" 0 $status
}

modprobe xhci_pci
modprobe usb-storage
modprobe sd_mod
modprobe usbhid
storage_is_bound() { STORAGE=$(busid_of 46f4 0001) && [[ -n $STORAGE ]] && is_bound_to "$STORAGE:1.0" usb-storage; }
wait_for storage_is_bound || bail_out "usb-storage binds" "$(dmesg | tail -n 20)"
STORAGE=$(busid_of 46f4 0001)
AUDIO=$(busid_of 46f4 0002)
modprobe dummy_hcd num=2
start_gadget_zero

"$PROBE" list | sed 's/^/# /'
check "the list has the gadget" grep -q "^$GADGET 0525:a4a0 high .*exportable" <("$PROBE" list)
check "the list has the disk and its driver" \
	grep -q "^$STORAGE 46f4:0001 .* 0=usb-storage exportable" <("$PROBE" list)

probe "gadget zero" exercise "$GADGET" 10000
expect_clean_dmesg "the kernel log is clean after the gadget"

probe "disk" inquiry "$STORAGE"
check "usb-storage has the disk again" wait_for is_bound_to "$STORAGE:1.0" usb-storage
expect_clean_dmesg "the kernel log is clean after the disk"

probe "audio" isochronous "$AUDIO" 5
expect_clean_dmesg "the kernel log is clean after audio"

# A device that is held, by ids, until SIGTERM.
"$PROBE" hold 0x46f4.0x0001 > "$LAB_SCRATCH/hold" 2>&1 &
HOLD=$!
wait_for grep -q holding "$LAB_SCRATCH/hold" || bail_out "the disk is held" "$(cat "$LAB_SCRATCH/hold")"
check "usbfs has the disk" is_bound_to "$STORAGE:1.0" usbfs
check "a second taker is refused" grep -q "another periprox" <("$PROBE" hold "$STORAGE" 2>&1)
check "... and the disk stays taken" is_bound_to "$STORAGE:1.0" usbfs
kill -TERM $HOLD
wait $HOLD
check "after SIGTERM usb-storage has the disk" wait_for is_bound_to "$STORAGE:1.0" usb-storage
check "... and no record is left" test ! -e "/run/periprox/claims/$STORAGE"

# Killed: the next start gives the device back.
rm "$LAB_SCRATCH/hold"
"$PROBE" hold "$STORAGE" > "$LAB_SCRATCH/hold" 2>&1 &
HOLD=$!
wait_for grep -q holding "$LAB_SCRATCH/hold" || bail_out "the disk is held again"
kill -KILL $HOLD
wait $HOLD 2> /dev/null
has_no_driver() { [[ ! -e /sys/bus/usb/devices/$1/driver ]]; }
check "after SIGKILL the disk has no driver" wait_for has_no_driver "$STORAGE:1.0"
check "the next start gives it back" grep -q "^$STORAGE restored 1 left 0" <("$PROBE" restore)
check "... to usb-storage" is_bound_to "$STORAGE:1.0" usb-storage
check_equal "... once" "" "$("$PROBE" restore)"
expect_clean_dmesg "the kernel log is clean after the kill"

# In use: a mounted disk is not to be had. It is a gadget of its own, since its data has to be kept.
disk_gadget=/sys/kernel/config/usb_gadget/disk
truncate -s 16M "$LAB_SCRATCH/disk.img"
must mkfs.ext4 -q "$LAB_SCRATCH/disk.img"
must modprobe usb_f_mass_storage
mkdir -p $disk_gadget/configs/c.1 $disk_gadget/functions/mass_storage.0 $disk_gadget/strings/0x409
echo 0x1d6b > $disk_gadget/idVendor
echo 0x0104 > $disk_gadget/idProduct
echo "$LAB_SCRATCH/disk.img" > $disk_gadget/functions/mass_storage.0/lun.0/file
ln -s $disk_gadget/functions/mass_storage.0 $disk_gadget/configs/c.1/
echo dummy_udc.1 > $disk_gadget/UDC
find_disk() {
	DISK=$(busid_of 1d6b 0104)
	[[ -n $DISK ]] || return 1
	BLOCK=$(basename "$(echo /sys/bus/usb/devices/"$DISK":*/host*/target*/*/block/*)")
	[[ -b /dev/$BLOCK ]]
}
wait_for find_disk || bail_out "the disk gadget is a block device" "$(dmesg | tail -n 20)"
mkdir -p "$LAB_SCRATCH/mnt"
must modprobe ext4
must mount "/dev/$BLOCK" "$LAB_SCRATCH/mnt"
check "the list says that a mounted disk is in use" \
	grep -q "^$DISK .*in use: $BLOCK is mounted on $LAB_SCRATCH/mnt" <("$PROBE" list)
check "a mounted disk is refused" grep -q "is mounted on" <("$PROBE" hold "$DISK" 2>&1)
check "... and keeps its driver" is_bound_to "$(interface_of "$DISK")" usb-storage
must umount "$LAB_SCRATCH/mnt"
check "once unmounted it is not in use" grep -q "^$DISK .*exportable" <("$PROBE" list)

# Bad words.
check "a bus id that is not there" grep -q "nothing is plugged in there" <("$PROBE" hold 9-9 2>&1)
check "an interface" grep -q "only whole devices" <("$PROBE" hold "$STORAGE:1.0" 2>&1)

# Unplugged and plugged in again, with URBs pending.
"$PROBE" watch > "$LAB_SCRATCH/watch" 2>&1 &
WATCH=$!
wait_for grep -q "added $GADGET" "$LAB_SCRATCH/watch" || not_ok "devices that are there are reported"
check "events come from the kernel" grep -q listening "$LAB_SCRATCH/watch"
rm "$LAB_SCRATCH/hold"
"$PROBE" hold "$GADGET" > "$LAB_SCRATCH/hold" 2>&1 &
HOLD=$!
wait_for grep -q holding "$LAB_SCRATCH/hold" || bail_out "the gadget is held" "$(cat "$LAB_SCRATCH/hold")"
echo "" > /sys/kernel/config/usb_gadget/zero/UDC
wait $HOLD
check_equal "the holder ends by itself" 0 $?
sed 's/^/# hold: /' "$LAB_SCRATCH/hold"
check "pending URBs end with the device" grep -q "ok - pending URBs" "$LAB_SCRATCH/hold"
check "the unplug is reported" wait_for grep -q "removed $GADGET" "$LAB_SCRATCH/watch"
echo dummy_udc.0 > /sys/kernel/config/usb_gadget/zero/UDC
wait_for gadget_is_there || bail_out "the gadget comes back"
added_twice() { [[ $(grep -c "added $GADGET" "$LAB_SCRATCH/watch") == 2 ]]; }
check "the plug is reported" wait_for added_twice
check "no record is left" test ! -e "/run/periprox/claims/$GADGET"
kill -TERM $WATCH
sed 's/^/# watch: /' "$LAB_SCRATCH/watch"

expect_clean_dmesg
finish
