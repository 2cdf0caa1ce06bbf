# Plugged-in devices shared by the real program: a disk, keyboards and a gadget on this kernel's own
# host controllers, exported without usbip-host, imported by the stock usbip. Only real drivers can
# tell that a file system survives the way, that drivers get their devices back, also after the
# program was killed, and that unplugging amid traffic leaves nothing behind.
#
# lab-timeout: 600
# lab-qemu: -device qemu-xhci,id=xhci -drive if=none,id=disk,format=raw,file.driver=null-co,file.size=32M,file.read-zeroes=on,snapshot=on -device usb-storage,bus=xhci.0,drive=disk,port=1 -device usb-hub,bus=xhci.0,port=2 -device usb-kbd,bus=xhci.0,port=2.1
. "$LAB_REPO/lab/guest/lib.sh"

# Where the server listens, and where those would that must not start.
LISTEN=tcp://127.0.0.1:3240
ELSEWHERE=tcp://127.0.0.1:3241
MOUNT=$LAB_SCRATCH/mnt
mkdir -p "$MOUNT"

is_offered() { usbip list -r 127.0.0.1 2>&1 | grep -q "^ *$1: "; }
is_not_offered() { ! is_offered "$1"; }
server_said() { grep -q "$1" "$SERVER_LOG.err"; }

# How many URBs a device has had.
urbs_of() { cat "/sys/bus/usb/devices/$1/urbnum"; }
has_had_urbs() { (($(urbs_of "$1") > $2)); } # BUSID COUNT

# What `serve` says when it ends by itself; STATUS becomes its exit status.
serve_refused() { # DEVICE...
    SAID=$(timeout "$LAB_PATIENCE" "$PERIPROX" serve "$@" --listen $ELSEWHERE 2>&1)
    STATUS=$?
    sed 's/^/# said: /' <<< "$SAID"
}

for module in xhci_pci usb-storage sd_mod ext4 usbhid hid-generic evdev usbtest libcomposite \
    usb_f_hid "dummy_hcd num=2"; do
    must modprobe $module
done

storage_is_bound() { STORAGE=$(busid_of 46f4 0001) && is_bound_to "$STORAGE:1.0" usb-storage; }
keyboard_is_bound() { KEYBOARD=$(busid_of 0627 0001) && is_bound_to "$KEYBOARD:1.0" usbhid; }
wait_for storage_is_bound || bail_out "usb-storage binds" "$(dmesg | tail -n 20)"
wait_for keyboard_is_bound || bail_out "usbhid binds" "$(dmesg | tail -n 20)"
HUB=$(busid_of 0409 55aa)
wait_for has_block "$STORAGE" || bail_out "the disk is a block device" "$(dmesg | tail -n 20)"
modprobe -r usbip-host 2> /dev/null
expect_clean_dmesg "the kernel log is clean after booting"

# --- A file system through the network -----------------------------------------------------------

"$PERIPROX" list | sed 's/^/# list: /'
"$PERIPROX" list > "$LAB_SCRATCH/list"
check "the list has the disk, its ids and its driver" \
    grep -q "^$STORAGE .*46f4:0001 .*usb-storage" "$LAB_SCRATCH/list"
check "the list has the keyboard, its ids and its driver" \
    grep -q "^$KEYBOARD .*0627:0001 .*usbhid" "$LAB_SCRATCH/list"
check "... and no reason against either" \
    bash -c "! grep -E '^($STORAGE|$KEYBOARD) .*\[' '$LAB_SCRATCH/list'"
check "the list says that a hub is not exported" grep -q "^$HUB .*\[it is a hub\]" "$LAB_SCRATCH/list"

start_server $LISTEN "$STORAGE"
check "usb-storage does not have the disk while it is exported" is_bound_to "$STORAGE:1.0" usbfs
check "the stock list shows it by its bus id" is_offered "$STORAGE"
attach "$STORAGE"
check "usbip-host is not loaded" bash -c "! lsmod | grep -q usbip_host"
check "usb-storage binds to the imported disk" wait_for is_bound_to "$LOCAL:1.0" usb-storage
wait_for has_block "$LOCAL" || bail_out "the imported disk is a block device" "$(dmesg | tail -n 20)"
BLOCK=$(block_of "$LOCAL")
must mkfs.ext4 -q -F "/dev/$BLOCK"
must mount "/dev/$BLOCK" "$MOUNT"
head -c 9000000 /dev/urandom > "$MOUNT/large"
for i in {1..50}; do head -c $((i * 211)) /dev/urandom > "$MOUNT/small$i"; done
sums() { (cd "$MOUNT" && sha256sum large small*); }
sums > "$LAB_SCRATCH/written"
check_equal "51 files are written" 51 "$(wc -l < "$LAB_SCRATCH/written")"
must umount "$MOUNT"
echo 3 > /proc/sys/vm/drop_caches
must mount -o ro "/dev/$BLOCK" "$MOUNT"
check_equal "they read the same after mounting anew" "$(cat "$LAB_SCRATCH/written")" "$(sums)"
must umount "$MOUNT"
check "the file system is sound" fsck.ext4 -f -n "/dev/$BLOCK"
expect_clean_dmesg "the kernel log is clean after the file system"
detach "$PORT"
check "a detached disk is offered again" wait_for is_offered "$STORAGE"
stop_server TERM
check_equal "the server ends with status 0 upon SIGTERM" 0 "$SERVER_STATUS"
check "usb-storage has the disk again" wait_for is_bound_to "$STORAGE:1.0" usb-storage
check "... and no record is left" test ! -e "/run/periprox/claims/$STORAGE"
wait_for has_block "$STORAGE" || bail_out "the disk is a block device again"
BLOCK=$(block_of "$STORAGE")
must mount -o ro "/dev/$BLOCK" "$MOUNT"
check_equal "what was written is on the disk itself" "$(cat "$LAB_SCRATCH/written")" "$(sums)"
expect_clean_dmesg "the kernel log is clean after giving the disk back"

# --- What is not exported ------------------------------------------------------------------------

start_gadget_zero
check "the list says that the mounted disk is in use" \
    grep -q "^$STORAGE .*\[in use: $BLOCK is mounted on $MOUNT\]" <("$PERIPROX" list)
"$PERIPROX" show "$STORAGE" > "$LAB_SCRATCH/shown" 2>&1
check "it may be looked at all the same" grep -q 'iProduct .*QEMU USB HARDDRIVE' "$LAB_SCRATCH/shown"
check "... with its driver" grep -q 'driver of interface 0 *usb-storage' "$LAB_SCRATCH/shown"
check "... and the reason not to export it" grep -q 'may be exported *no *in use: ' "$LAB_SCRATCH/shown"
check "... and stays with its driver" is_bound_to "$STORAGE:1.0" usb-storage
check "... and mounted" ls "$MOUNT/large"
serve_refused "$STORAGE"
check_equal "a mounted disk is refused" 1 $STATUS
check "... for that reason" grep -q "$BLOCK is mounted on $MOUNT" <<< "$SAID"
check "... and keeps its driver" is_bound_to "$STORAGE:1.0" usb-storage
serve_refused "$HUB"
check_equal "a hub is refused" 1 $STATUS
check "... for that reason" grep -q "hub" <<< "$SAID"
serve_refused all
check_equal "serving all without --yes is a usage error" 2 $STATUS
check "... that says what to do" grep -q -e "--yes" <<< "$SAID"
check "... and takes nothing" is_bound_to "$KEYBOARD:1.0" usbhid

start_server $LISTEN all --yes
check "all has the gadget" is_offered "$GADGET"
check "all has the keyboard" is_offered "$KEYBOARD"
check "all leaves out the mounted disk" is_not_offered "$STORAGE"
check "... and says so" server_said "$STORAGE is left out: in use: $BLOCK is mounted"
check "... and the disk keeps its driver" is_bound_to "$STORAGE:1.0" usb-storage
check_equal "... and its files" "$(cat "$LAB_SCRATCH/written")" "$(sums)"
check "all leaves out the hub" is_not_offered "$HUB"
check "... which keeps its driver" is_bound_to "$HUB:1.0" hub
attach "$GADGET"
check "the server hears of the imported device" wait_for server_said "$LOCAL is not exported"
check "... and does not export it a second time" is_not_offered "$LOCAL"
detach "$PORT"
wait_for is_offered "$GADGET"
echo "" > /sys/kernel/config/usb_gadget/zero/UDC
check "an unplugged device is offered no more" wait_for is_not_offered "$GADGET"
echo dummy_udc.0 > /sys/kernel/config/usb_gadget/zero/UDC
check "all has it again when it is plugged in" wait_for is_offered "$GADGET"
check_equal "what was left out is named once" 1 "$(grep -c "$HUB is" "$SERVER_LOG.err")"
stop_server TERM
check_equal "the server of all ends with status 0" 0 "$SERVER_STATUS"
check "usbhid has the keyboard again" wait_for is_bound_to "$KEYBOARD:1.0" usbhid
must umount "$MOUNT"
expect_clean_dmesg "the kernel log is clean after serving all"

# --- Plugging and unplugging ---------------------------------------------------------------------

echo "" > /sys/kernel/config/usb_gadget/zero/UDC
gadget_is_gone() { [[ -z $(busid_of 0525 a4a0) ]]; }
wait_for gadget_is_gone || bail_out "the gadget is unplugged"
start_server $LISTEN 0x0525.0xa4a0
check "the server waits for a device that is not there" \
    server_said "0x0525.0xa4a0 is not plugged in; it will be exported when it is"
check "... and offers nothing" is_not_offered "$GADGET"
traffic_is_over() { ! kill -0 "$TRAFFIC"; }
for round in {1..5}; do
    echo dummy_udc.0 > /sys/kernel/config/usb_gadget/zero/UDC
    check "round $round: it is offered when it is plugged in" wait_for is_offered "$GADGET"
    attach "$GADGET"
    bind_usbtest "$LOCAL" 0 0
    run_usbtest "round $round" "$LOCAL" 1:iterations=50 10:iterations=5
    before=$(urbs_of "$GADGET")
    "$USBTEST_RUNNER" --device "$LOCAL" 27:iterations=1000000 > "$LAB_SCRATCH/traffic" 2>&1 &
    TRAFFIC=$!
    wait_for has_had_urbs "$GADGET" $((before + 100)) || not_ok "round $round: there is traffic"
    echo "" > /sys/kernel/config/usb_gadget/zero/UDC
    check "round $round: unplugged, the port becomes free" wait_for all_ports_free
    wait_for traffic_is_over || bail_out "round $round: no URB stays pending" "$(dmesg | tail -n 20)"
    wait $TRAFFIC
    check "round $round: the traffic ends with an error" test $? -ne 0
    check "round $round: it is offered no more" is_not_offered "$GADGET"
    check "round $round: the server runs on" kill -0 "$SERVER"
    check "round $round: no record is left" test ! -e "/run/periprox/claims/$GADGET"
    expect_clean_dmesg "round $round: the kernel log is clean"
done
stop_server TERM
check_equal "the server without its device ends with status 0" 0 "$SERVER_STATUS"

# --- Killed while exporting ----------------------------------------------------------------------

has_no_driver() { [[ ! -e /sys/bus/usb/devices/$1/driver ]]; }
killed_while_exporting() {
    start_server $LISTEN "$STORAGE" "$KEYBOARD"
    attach "$STORAGE"
    wait_for has_block "$LOCAL" || bail_out "the imported disk is a block device before the kill"
    stop_server KILL
    check "killed: the port becomes free" wait_for all_ports_free
    check "killed: the disk has no driver" wait_for has_no_driver "$STORAGE:1.0"
    check "killed: the keyboard has no driver" wait_for has_no_driver "$KEYBOARD:1.0"
}
echo dummy_udc.0 > /sys/kernel/config/usb_gadget/zero/UDC
wait_for gadget_is_there || bail_out "the gadget is plugged in again"
for other in "$GADGET" emulated:zero; do
    killed_while_exporting
    start_server $LISTEN "$other"
    check "started with $other: usb-storage has the disk" is_bound_to "$STORAGE:1.0" usb-storage
    check "started with $other: usbhid has the keyboard" is_bound_to "$KEYBOARD:1.0" usbhid
    check "... which is said" server_said "$STORAGE was left without its driver"
    stop_server TERM
    check_equal "... and that server ends with status 0" 0 "$SERVER_STATUS"
done
wait_for has_block "$STORAGE" || bail_out "the disk is a block device after the kills"
must mount -o ro "/dev/$(block_of "$STORAGE")" "$MOUNT"
check_equal "the disk has its files after the kills" "$(cat "$LAB_SCRATCH/written")" "$(sums)"
must umount "$MOUNT"
expect_clean_dmesg "the kernel log is clean after the kills"

# --- A keyboard ----------------------------------------------------------------------------------

start_server $LISTEN "$KEYBOARD"
attach "$KEYBOARD"
check "the imported QEMU keyboard has a hidraw node" wait_for has_node "$LOCAL" 'hidraw[0-9]*'
check "... and an input node" wait_for has_node "$LOCAL" 'event[0-9]*'
detach "$PORT"
stop_server TERM
check_equal "the server of the keyboard ends with status 0" 0 "$SERVER_STATUS"
check "usbhid has the QEMU keyboard again" wait_for is_bound_to "$KEYBOARD:1.0" usbhid

expect_clean_dmesg
finish
