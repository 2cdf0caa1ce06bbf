# Devices of the stock server under their drivers, through `periprox attach`: a disk with a file system, a
# serial port, a keyboard and a thermometer, which are gadgets of the kernel (dummy_hcd) that usbip-host
# exports. (Our server with the stock client: storage.sh, serial.sh, hid.sh, go_temp.sh.)
#
# lab-timeout: 600
. "$LAB_REPO/lab/guest/lib.sh"

modprobe dummy_hcd num=4 is_high_speed=1
modprobe -a libcomposite usb_f_mass_storage usb_f_acm usb_f_hid || bail_out "gadget functions load"

# A gadget with one function on a controller of its own.
gadgets=/sys/kernel/config/usb_gadget
make_gadget() { # NUMBER IDVENDOR IDPRODUCT FUNCTION
    local gadget=$gadgets/g$1
    mkdir -p "$gadget/strings/0x409" "$gadget/configs/c.1" "$gadget/functions/$4"
    echo "0x$2" > "$gadget/idVendor"
    echo "0x$3" > "$gadget/idProduct"
    echo "SERIAL$1" > "$gadget/strings/0x409/serialnumber"
    GADGET_FUNCTION=$gadget/functions/$4
}
plug_gadget() { # NUMBER
    ln -s "$GADGET_FUNCTION" "$gadgets/g$1/configs/c.1/"
    echo "dummy_udc.$1" > "$gadgets/g$1/UDC"
}
# Its bus id, once it is enumerated.
gadget_busid() { # NUMBER
    local device=(/sys/devices/platform/dummy_hcd."$1"/usb*/[0-9]*-1)
    [[ -e ${device[0]}/bConfigurationValue ]] && echo "${device[0]##*/}"
}

truncate -s 48M "$LAB_SCRATCH/disk.img"
make_gadget 0 0525 a4a5 mass_storage.0
echo 1 > "$GADGET_FUNCTION/stall"
echo "$LAB_SCRATCH/disk.img" > "$GADGET_FUNCTION/lun.0/file"
plug_gadget 0
make_gadget 1 0525 a4a7 acm.0
plug_gadget 1
hid_function() { # SUBCLASS PROTOCOL DESCRIPTOR
    echo "$1" > "$GADGET_FUNCTION/subclass"
    echo "$2" > "$GADGET_FUNCTION/protocol"
    echo 8 > "$GADGET_FUNCTION/report_length"
    # shellcheck disable=SC2059
    printf "$3" > "$GADGET_FUNCTION/report_desc"
}
make_gadget 2 0525 a4ac hid.0
# A boot keyboard (HID 1.11, B.1): modifiers, a reserved byte, five LEDs, six keys.
hid_function 1 1 '\x05\x01\x09\x06\xa1\x01\x05\x07\x19\xe0\x29\xe7\x15\x00\x25\x01\x75\x01\x95\x08\x81\x02\x95\x01\x75\x08\x81\x03\x95\x05\x75\x01\x05\x08\x19\x01\x29\x05\x91\x02\x95\x01\x75\x03\x91\x03\x95\x06\x75\x08\x15\x00\x25\x65\x05\x07\x19\x00\x29\x65\x81\x00\xc0'
plug_gadget 2
make_gadget 3 08f7 0002 hid.1
# Eight bytes of the vendor's own.
hid_function 0 0 '\x06\x00\xff\x09\x01\xa1\x01\x09\x01\x15\x00\x26\xff\x00\x75\x08\x95\x08\x81\x02\xc0'
plug_gadget 3

modprobe usbip-host
served=()
for number in 0 1 2 3; do
    wait_for gadget_busid $number || bail_out "gadget $number is enumerated"
    must usbip bind -b "$(gadget_busid $number)"
    served+=("usbip://127.0.0.1/$(gadget_busid $number)")
done
start_stock_server

modprobe vhci-hcd
# Before usbhid, which wants the thermometer too.
modprobe ldusb
echo 08f7 0002 > /sys/bus/usb/drivers/ldusb/new_id
modprobe -a usb-storage sd_mod ext4 cdc-acm usbhid hid-generic evdev
echo 0 > /sys/module/usb_storage/parameters/delay_use
"$PERIPROX" attach --background --wait 120 "${served[@]}" > "$LAB_SCRATCH/attached" 2>&1 ||
    bail_out "four devices of the stock server are attached" "$(cat "$LAB_SCRATCH/attached")"
sed 's/^/# /' "$LAB_SCRATCH/attached"
local_of() { # IDS: the local bus id of what was attached
    sed -n "s/^port [0-9]*: \([^ ]*\)  $1 .*/\1/p" "$LAB_SCRATCH/attached"
}

# --- Disk ---

storage=$(local_of 0525:a4a5)
check "usb-storage binds" is_bound_to "$storage:1.0" usb-storage
wait_for has_block "$storage" || bail_out "a disk appears"
DISK=/dev/$(block_of "$storage")
head -c 8M /dev/urandom > "$LAB_SCRATCH/data"
must mkfs.ext4 -q -F "$DISK"
mkdir -p /mnt/disk
must mount "$DISK" /mnt/disk
must cp "$LAB_SCRATCH/data" /mnt/disk/data
must umount /mnt/disk
must debugfs -R "dump /data $LAB_SCRATCH/dumped" "$LAB_SCRATCH/disk.img"
check "what was written through a file system lies in the gadget's image" \
    cmp "$LAB_SCRATCH/data" "$LAB_SCRATCH/dumped"
echo 3 > /proc/sys/vm/drop_caches
must mount "$DISK" /mnt/disk
check "and is read back" cmp "$LAB_SCRATCH/data" /mnt/disk/data
must umount /mnt/disk

# --- Serial port ---

serial=$(local_of 0525:a4a7)
check "cdc_acm binds" is_bound_to "$serial:1.0" cdc_acm
TTY=/dev/$(basename "$(echo /sys/bus/usb/devices/"$serial"/"$serial":*/tty/tty*)")
has_bytes() { (($(stat -c %s "$1") >= $2)); } # FILE COUNT
head -c 300000 /dev/urandom > "$LAB_SCRATCH/sent"
exec 4<> /dev/ttyGS0
exec 5<> "$TTY"
must stty -F /dev/ttyGS0 raw -echo
must stty -F "$TTY" 115200 raw -echo -crtscts clocal
carry() { # NAME FROM TO: of descriptors
    cat <&"$3" > "$LAB_SCRATCH/received" &
    local reader=$!
    cat "$LAB_SCRATCH/sent" >&"$2"
    wait_for has_bytes "$LAB_SCRATCH/received" 300000
    kill "$reader"
    wait "$reader" 2> /dev/null
    check "$1" cmp "$LAB_SCRATCH/sent" "$LAB_SCRATCH/received"
}
carry "300000 bytes go to the serial port" 5 4
carry "and as many come from it" 4 5
exec 5>&- 4>&-

# --- Keyboard ---

keyboard=$(local_of 0525:a4ac)
check "usbhid binds" is_bound_to "$keyboard:1.0" usbhid
NODE=/dev/input/$(basename "$(echo /sys/bus/usb/devices/"$keyboard"/"$keyboard":*/*/input/input*/event*)")
hidg() { echo "/dev/hidg$(cut -d : -f 2 "$gadgets/g$1/functions/hid.$2/dev")"; } # GADGET FUNCTION
cat "$NODE" > "$LAB_SCRATCH/typed" &
recorder=$!
recorder_is_ready() { readlink "/proc/$recorder/fd/"* | grep -q -x "$NODE"; }
wait_for recorder_is_ready
# h, i: pressed and released. EV_KEY 35 is H, 23 I.
for report in '\x00\x00\x0b\x00\x00\x00\x00\x00' '\x00\x00\x00\x00\x00\x00\x00\x00' \
    '\x00\x00\x0c\x00\x00\x00\x00\x00' '\x00\x00\x00\x00\x00\x00\x00\x00'; do
    # shellcheck disable=SC2059
    printf "$report" > "$(hidg 2 0)"
done
keys() { od -An -v -w24 -t u2 "$LAB_SCRATCH/typed" | awk '$9 == 1 && $11 < 2 { printf "%s%s:%s", n++ ? " " : "", $10, $11 }'; }
all_typed() { [[ $(keys) == "35:1 35:0 23:1 23:0" ]]; }
check "keys arrive in order" wait_for all_typed
kill "$recorder"

# --- Thermometer ---

is_bound_to "$(local_of 08f7:0002):1.0" ldusb || bail_out "ldusb binds"
head -c 8 /dev/ldusb0 > "$LAB_SCRATCH/measured" &
reader=$!
measured() { printf '\x01\x02\x80\x06\x81\x06\x82\x06' > "$(hidg 3 1)"; has_bytes "$LAB_SCRATCH/measured" 8; }
check "measurements arrive" wait_for measured
wait "$reader"
check_equal "byte by byte" "01 02 80 06 81 06 82 06" "$(od -An -t x1 "$LAB_SCRATCH/measured" | xargs)"

expect_clean_dmesg
must "$PERIPROX" detach --all
check "all ports are free" all_ports_free
expect_clean_dmesg
finish
