# Real drivers, fooled by a recording: a thermometer, a keyboard, a serial port and a disk are used through
# stock vhci_hcd and captured, then used again with nothing behind them but the capture. What
# programs see is the same. tshark finds nothing malformed in the capture, which has isochronous
# transfers too. The same with a keyboard, a serial port and a disk that QEMU plugs in.
#
# QEMU's monitor presses the keys; the far end of the USB serial port is a virtio port of the guest.
#
# lab-timeout: 900
# lab-qemu: -device qemu-xhci,id=xhci -drive if=none,id=disk,format=raw,file.driver=null-co,file.size=8M,file.read-zeroes=on,snapshot=on -device usb-storage,bus=xhci.0,drive=disk,port=1 -device usb-kbd,bus=xhci.0,port=2
# lab-qemu: -chardev socket,id=wire,path=$LAB_RUN/wire,server=on,wait=off -device usb-serial,bus=xhci.0,port=3,chardev=wire
# lab-qemu: -chardev socket,id=far_end,path=$LAB_RUN/wire,reconnect=1 -device virtserialport,chardev=far_end,name=far_end
. "$LAB_REPO/lab/guest/lib.sh"

modprobe ldusb
modprobe usbhid
modprobe hid-generic
modprobe evdev
modprobe cdc-acm
modprobe usb-storage
modprobe sd_mod
echo 0 > /sys/module/usb_storage/parameters/delay_use
echo 08f7 0002 > /sys/bus/usb/drivers/ldusb/new_id
export TMPDIR=$LAB_SCRATCH
trace=$LAB_SCRATCH/trace.pcapng
mkfifo "$LAB_SCRATCH/text"
head -c 4M /dev/urandom > "$LAB_SCRATCH/disk.img"

# Each of these uses a device as a program would, and leaves what it saw in OUTCOME.

use_thermometer() { # BUSID
    attach "$1"
    wait_for test -c /dev/ldusb0 || bail_out "ldusb binds"
    OUTCOME=$(timeout "$LAB_PATIENCE" dd if=/dev/ldusb0 bs=8 count=6 2> /dev/null | od -An -v -t x1)
    detach "$PORT"
}

event_node() {
    local found
    found=$(echo /sys/bus/usb/devices/"$LOCAL"/"$LOCAL":*/*/input/input*/event*)
    [[ -e $found ]] && echo "/dev/input/$(basename "$found")"
}
has_event_node() { [[ -n $(event_node) ]]; }
recorder_has() { readlink "/proc/$RECORDER/fd/"* | grep -q -x "$1"; }
# Presses and releases of keys (EV_KEY), without the kernel's own repetitions.
keys() { od -An -v -w24 -t u2 "$LAB_SCRATCH/events" | awk '$9 == 1 && $11 != 2 { print $10, $11 }'; }
has_keys() { (($(keys | wc -l) >= 8)); }
type_text() { printf 'Hi!' > "$LAB_SCRATCH/text"; }
use_keyboard() { # BUSID [TYPE]
    attach "$1"
    wait_for has_event_node || bail_out "an input device appears" "$(dmesg | tail -n 5)"
    local node
    node=$(event_node)
    cat "$node" > "$LAB_SCRATCH/events" &
    RECORDER=$!
    wait_for recorder_has "$node" || bail_out "$node opens"
    # Time for the one who reads the recording, which plays at a quarter of its speed.
    if [[ -n ${2-} ]]; then sleep 3 && "$2"; fi
    wait_for has_keys
    OUTCOME=$(keys)
    kill "$RECORDER"
    wait "$RECORDER" 2> /dev/null
    detach "$PORT"
}

tty_node() {
    local found
    found=$(echo /sys/bus/usb/devices/"$LOCAL"/"$LOCAL":*/{,ttyUSB*/}tty/tty* | tr ' ' '\n' | grep -v '\*')
    [[ -e $found ]] && echo "/dev/$(basename "$found")"
}
has_tty() { [[ -c $(tty_node) ]]; }
use_serial() { # BUSID
    attach "$1"
    wait_for has_tty || bail_out "a serial port appears" "$(dmesg | tail -n 8)"
    exec 5<> "$(tty_node)"
    must stty -F "$(tty_node)" 115200 raw -echo -crtscts clocal
    local line word
    OUTCOME=
    for word in one two three; do
        echo "$word" >&5
        read -r -t "$LAB_PATIENCE" line <&5
        OUTCOME+=" $line"
    done
    exec 5>&-
    detach "$PORT"
}

use_disk() { # BUSID
    attach "$1"
    wait_for has_block "$LOCAL" || bail_out "a disk appears" "$(dmesg | tail -n 8)"
    OUTCOME=$(dd "if=/dev/$(block_of "$LOCAL")" bs=64K count=16 iflag=direct 2> /dev/null | md5sum)
    OUTCOME+=" $(cat "/sys/block/$(block_of "$LOCAL")/size")"
    detach "$PORT"
}

THERMOMETER='emulated:go_temp?ramp=20:40:0.5&period_ms=10'
KEYBOARD="emulated:keyboard?input=$LAB_SCRATCH/text"
SERIAL=emulated:serial?to=exec:cat
STORAGE="emulated:storage?image=$LAB_SCRATCH/disk.img&readonly=1"
start_server tcp://127.0.0.1:3240 --capture "$trace" "$THERMOMETER" "$KEYBOARD" "$SERIAL" "$STORAGE" emulated:zero
use_thermometer 1-1
thermometer=$OUTCOME
check_equal "the thermometer gives six reports" 6 "$(wc -l <<< "$(fold -w 24 <<< "$thermometer")")"
use_keyboard 1-2 type_text
keyboard=$OUTCOME
# Left shift and H, i, left shift and 1.
check_equal "the keys are pressed and released" 10 "$(wc -l <<< "$keyboard")"
use_serial 1-3
serial=$OUTCOME
check_equal "the serial port echoes" " one two three" "$serial"
use_disk 1-4
disk=$OUTCOME
check_equal "the disk is its image" "$(head -c 1M "$LAB_SCRATCH/disk.img" | md5sum) 8192" "$disk"
attach 1-5
bind_usbtest "$LOCAL" 1 0
run_usbtest "isochronous transfers, captured" "$LOCAL" 15:iterations=5,length=4096,sglen=4 \
    16:iterations=5,length=4096,sglen=4
detach "$PORT"
stop_server
expect_clean_dmesg

check_dissected "$trace" "$THERMOMETER:usbhid.data" "$KEYBOARD:usbhid.data" "$SERIAL:usbcom.control.request_code" \
    "$STORAGE:scsi_sbc.opcode" emulated:zero:usb.iso.numdesc
check_equal "no record is missing" "" "$("$PERIPROX" inspect "$trace" --summary | grep missing)"

start_server tcp://127.0.0.1:3240 "recorded:$trace?device=0.1" "recorded:$trace?device=0.2&timing=x0.25" \
    "recorded:$trace?device=0.3&timing=fast" "recorded:$trace?device=0.4&timing=fast"
use_thermometer 1-1
check_equal "ldusb reads the same from the recording" "$thermometer" "$OUTCOME"
use_serial 1-3
check_equal "cdc_acm talks to the recording" "$serial" "$OUTCOME"
use_disk 1-4
check_equal "usb-storage reads the same from the recording" "$disk" "$OUTCOME"
use_keyboard 1-2
check_equal "the recording types the same keys" "$(head -n 8 <<< "$keyboard")" "$(head -n 8 <<< "$OUTCOME")"
stop_server
expect_clean_dmesg

# --- QEMU's devices ------------------------------------------------------------------------------

place_of() { echo "$(cat "/sys/bus/usb/devices/$1/busnum").$(cat "/sys/bus/usb/devices/$1/devnum")"; }
is_there() { DISK=$(busid_of 46f4 0001) && KEYS=$(busid_of 0627 0001) && WIRE=$(busid_of 0403 6001) && [[ $DISK && $KEYS && $WIRE ]]; }
press_keys() { for key in shift-h i shift-1; do monitor "sendkey $key"; done; }

modprobe xhci_pci
modprobe ftdi_sio
wait_for is_there || bail_out "QEMU's devices are there" "$(dmesg | tail -n 8)"
start_echo far_end
LOCAL=$DISK
wait_for has_block "$LOCAL" || bail_out "QEMU's disk appears" "$(dmesg | tail -n 8)"
must dd if="$LAB_SCRATCH/disk.img" "of=/dev/$(block_of "$LOCAL")" bs=64K count=16 oflag=direct

trace=$LAB_SCRATCH/qemu.pcapng
start_server tcp://127.0.0.1:3240 --capture "$trace" "$KEYS" "$WIRE" "$DISK"
use_keyboard "$KEYS" press_keys
keyboard=$OUTCOME
check_equal "QEMU's keys are pressed and released" 10 "$(wc -l <<< "$keyboard")"
use_serial "$WIRE"
serial=$OUTCOME
check_equal "QEMU's serial port echoes" " one two three" "$serial"
use_disk "$DISK"
disk=$OUTCOME
check_equal "QEMU's disk has what was written to it" "$(head -c 1M "$LAB_SCRATCH/disk.img" | md5sum) 16384" "$disk"
PLACES=("$(place_of "$KEYS")" "$(place_of "$WIRE")" "$(place_of "$DISK")")
stop_server
check_dissected "$trace" "$KEYS:usbhid.data" "$DISK:scsi_sbc.opcode" "$WIRE:ftdi-ft.bRequest"

start_server tcp://127.0.0.1:3240 "recorded:$trace?device=${PLACES[0]}&timing=x0.25" \
    "recorded:$trace?device=${PLACES[1]}&timing=fast" "recorded:$trace?device=${PLACES[2]}&timing=fast"
use_serial 1-2
check_equal "ftdi_sio talks to the recording of QEMU's" "$serial" "$OUTCOME"
use_disk 1-3
check_equal "usb-storage reads the same from QEMU's" "$disk" "$OUTCOME"
use_keyboard 1-1
check_equal "QEMU's keys are typed again" "$(head -n 8 <<< "$keyboard")" "$(head -n 8 <<< "$OUTCOME")"
stop_server
expect_clean_dmesg
finish
