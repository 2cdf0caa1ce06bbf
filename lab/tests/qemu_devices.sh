# Devices of every class that QEMU has, on its three generations of host controllers, exported without
# usbip-host and imported by a second guest over a network, one with our own attach, the next with the
# stock usbip. What tests them are the kernel's own drivers. With the argument `all`, every device is
# imported in both ways, and in the guest that has it as well.
#
# The first guest has the devices and exports them. Whoever imports one does the same with it; the
# second guest asks the first, through a shell on a TCP port, for what happens at the far side of a
# device: keys pressed at QEMU's monitor, an echo on the other end of a serial line.
#
# lab-guests: 2
# lab-timeout: 1800
# lab-qemu: -device qemu-xhci,id=xhci -device piix3-usb-uhci,id=uhci
# lab-qemu: -device ich9-usb-ehci1,id=ehci,addr=1d.7,multifunction=on
# lab-qemu: -device ich9-usb-uhci1,masterbus=ehci.0,firstport=0,addr=1d.0,multifunction=on
# lab-qemu: -drive if=none,id=disk,format=raw,file.driver=null-co,file.size=32M,file.read-zeroes=on,snapshot=on
# lab-qemu: -device usb-storage,bus=xhci.0,drive=disk,port=1
# lab-qemu: -drive if=none,id=disk2,format=raw,file.driver=null-co,file.size=32M,file.read-zeroes=on,snapshot=on
# lab-qemu: -device usb-uas,id=uas,bus=ehci.0,port=3 -device scsi-hd,bus=uas.0,scsi-id=0,lun=0,drive=disk2
# lab-qemu: -audiodev none,id=sound -device usb-audio,bus=xhci.0,port=3,audiodev=sound
# lab-qemu: -netdev user,id=net,restrict=on,tftp=/usr/share/common-licenses -device usb-net,bus=xhci.0,port=4,netdev=net
# lab-qemu: -device usb-tablet,id=tablet,bus=ehci.0,port=1
# lab-qemu: -device usb-mtp,bus=ehci.0,port=2,rootdir=/usr/share/common-licenses,readonly=on
# lab-qemu: -device usb-kbd,id=keyboard,bus=uhci.0,port=1
# lab-qemu: -device usb-hub,bus=uhci.0,port=2 -device usb-ccid,bus=uhci.0,port=2.1
# lab-qemu: -chardev socket,id=wire,path=$LAB_RUN/wire,server=on,wait=off
# lab-qemu: -chardev socket,id=far_end,path=$LAB_RUN/wire,reconnect=1
# lab-qemu: -device usb-serial,bus=uhci.0,port=2.2,chardev=wire
# lab-qemu: -device virtserialport,chardev=far_end,name=far_end
. "$LAB_REPO/lab/guest/lib.sh"

SCOPE=${1:-each}
EXPORTER=10.9.8.1
SHELL_PORT=3999

modprobe virtio_net
for card in /sys/class/net/*; do
    [[ $(cat "$card/address") == 52:54:00:00:00:0* ]] || continue
    must ip address add "10.9.8.$LAB_GUEST/24" dev "$(basename "$card")"
    must ip link set "$(basename "$card")" up
done
for module in usb-storage uas sd_mod ext4 usbhid hid-generic evdev snd-usb-audio ftdi_sio \
    cdc_ether rndis_host usbmon; do
    must modprobe $module
done

# Runs a command in the guest that has the devices.
far() { # COMMAND...
    if [[ $LAB_GUEST == 1 ]]; then
        "$@"
    else
        busybox nc "$EXPORTER" "$SHELL_PORT" <<< "$*; exit"
    fi
}

# --- What each kind of device is put to ----------------------------------------------------------
# LOCAL is the imported device, $1 names it in checks.

use_disk() { # NAME DRIVER
    local mount=$LAB_SCRATCH/mnt block written
    check "$1: its driver is $2" wait_for is_bound_to "$(interface_of "$LOCAL")" "$2"
    wait_for has_block "$LOCAL" || bail_out "$1 is a block device" "$(dmesg | tail -n 20)"
    block=/dev/$(block_of "$LOCAL")
    must mkfs.ext4 -q -F "$block"
    mkdir -p "$mount"
    must mount "$block" "$mount"
    head -c 3000000 /dev/urandom > "$mount/large"
    for i in {1..20}; do head -c $((i * 211)) /dev/urandom > "$mount/small$i"; done
    written=$(cd "$mount" && sha256sum ./*e ./small*)
    must umount "$mount"
    echo 3 > /proc/sys/vm/drop_caches
    must mount -o ro "$block" "$mount"
    check_equal "$1: files read the same after mounting anew" "$written" \
        "$(cd "$mount" && sha256sum ./*e ./small*)"
    must umount "$mount"
    check "$1: the file system is sound" fsck.ext4 -f -n "$block"
}

# True when the events read so far have this one: struct input_event, 24 bytes.
has_event() { # TYPE CODE VALUE
    od -An -v -w24 -t u2 "$LAB_SCRATCH/events" |
        awk -v type="$1" -v code="$2" -v value="$3" \
            '$9 == type && $10 == code && $11 == value { found = 1 } END { exit !found }'
}
sees_event() { # TYPE CODE VALUE MONITOR_COMMAND...
    local event=("${@:1:3}") command
    for command in "${@:4}"; do far monitor "$command"; done
    has_event "${event[@]}"
}

use_input() { # NAME EVENT_NODE_CODE MONITOR_COMMAND...
    local name=$1 code=$2 node reader
    shift 2
    wait_for has_node "$LOCAL" 'event[0-9]*' || bail_out "$name has an event node" "$(dmesg | tail -n 20)"
    node=$(node_of "$LOCAL" 'event[0-9]*')
    cat "/dev/input/$node" > "$LAB_SCRATCH/events" &
    reader=$!
    wait_for holds_open $reader "$node" || bail_out "$name is listened to"
    check "$name: what is pressed far away arrives" wait_for sees_event 1 "$code" 1 "$@"
    kill $reader
}
use_keyboard() { use_input "$1" 30 "sendkey a"; }
use_tablet() { use_input "$1" 272 "mouse_button 1" "mouse_button 0"; }

# ISO packets completed without and with an error, by the kernel's own record of the bus.
iso_packets() { # FILE
    awk '$3 == "C" && $4 ~ /^Zo:/ { split($5, word, ":"); errors += word[4]; packets += $6 }
        END { print packets + 0, errors + 0 }' "$1"
}

holds_open() { # PROCESS WORD
    ls -l "/proc/$1/fd" | grep -q "$2"
}

use_audio() { # NAME
    local bus recorder played errors card
    wait_for has_node "$LOCAL" 'pcmC[0-9]*p' || bail_out "$1 is a sound card" "$(dmesg | tail -n 20)"
    card=$(node_of "$LOCAL" 'pcmC[0-9]*p')
    card=${card#pcmC}
    bus=$((10#$(cat "/sys/bus/usb/devices/$LOCAL/busnum")))
    cat "/sys/kernel/debug/usb/usbmon/${bus}u" > "$LAB_SCRATCH/usbmon" &
    recorder=$!
    wait_for holds_open $recorder usbmon || bail_out "the bus is recorded"
    head -c $((48000 * 4)) /dev/urandom > "$LAB_SCRATCH/second.raw"
    check "$1: a second of sound is played" aplay -q -D "hw:${card%%D*}" -t raw -f S16_LE -c 2 \
        -r 48000 "$LAB_SCRATCH/second.raw"
    kill $recorder
    read -r played errors < <(iso_packets "$LAB_SCRATCH/usbmon")
    check "$1: each of its 1000 frames went ($played)" test "$played" -ge 1000
    check_equal "$1: no isochronous packet had an error" 0 "$errors"
}

use_network() { # NAME
    local card
    has_card() { card=$(compgen -G "/sys/bus/usb/devices/$LOCAL:*/net/*") && card=${card##*/}; }
    wait_for has_card || bail_out "$1 is a network card" "$(dmesg | tail -n 20)"
    must ip link set "$card" up
    must ip address add 10.0.2.15/24 dev "$card"
    check "$1: a file comes through it" busybox tftp -g -r GPL-3 -l "$LAB_SCRATCH/file" 10.0.2.2
    check "$1: ... unchanged" cmp "$LAB_SCRATCH/file" /usr/share/common-licenses/GPL-3
    ip address flush dev "$card"
}

use_serial() { # NAME
    local node
    wait_for has_node "$LOCAL" 'ttyUSB[0-9]*' || bail_out "$1 is a tty" "$(dmesg | tail -n 20)"
    node=/dev/$(node_of "$LOCAL" 'ttyUSB[0-9]*')
    must stty -F "$node" raw -echo 115200
    seq 1 400 > "$LAB_SCRATCH/sent"
    exec 7<> "$node"
    timeout "$LAB_PATIENCE" head -c "$(stat -c %s "$LAB_SCRATCH/sent")" <&7 > "$LAB_SCRATCH/echoed" &
    cat "$LAB_SCRATCH/sent" >&7
    wait $!
    exec 7>&-
    check "$1: what is sent comes back" cmp "$LAB_SCRATCH/sent" "$LAB_SCRATCH/echoed"
}

# The first bulk endpoint of a direction, such as 0x81.
bulk_endpoint() { # BUSID in|out
    local folder
    for folder in /sys/bus/usb/devices/"$1":*/ep_*; do
        if [[ $(cat "$folder/type") == Bulk && $(cat "$folder/direction") == "$2" ]]; then
            echo "0x$(cat "$folder/bEndpointAddress")"
            return
        fi
    done
}
exchange() { # HEX [ANSWERS]
    local folder=/sys/bus/usb/devices/$LOCAL
    python3 "$LAB_REPO/lab/guest/bulk_exchange.py" \
        "/dev/bus/usb/$(printf '%03d/%03d' "$(cat "$folder/busnum")" "$(cat "$folder/devnum")")" 0 \
        "$(bulk_endpoint "$LOCAL" out)" "$1" "$(bulk_endpoint "$LOCAL" in)" "${2:-1}"
}

# CCID 1.1, 6.1.5: PC_to_RDR_GetSlotStatus, sequence number 42; answered by RDR_to_PC_SlotStatus.
use_card_reader() { # NAME
    check_equal "$1: the reader tells of its slot" 8100000000002a \
        "$(exchange 6500000000002a000000 | head -c 14)"
}

# MTP 1.1, D.2.1: GetDeviceInfo; answered by a data container (2) and a response (3) of code OK (0x2001).
use_mtp() { # NAME
    local answers
    answers=$(exchange 0c0000000100011001000000 2)
    check "$1: its information comes" grep -q '^[0-9a-f]\{8\}02000110' <<< "$answers"
    check "$1: ... and that all is well" grep -q '^0c00000003000120' <<< "$answers"
}

# --- Both guests ---------------------------------------------------------------------------------

# Name, ids, and what to do with it.
DEVICES=(
    "storage:46f4:0001:use_disk storage usb-storage"
    "uas:46f4:0003:use_disk uas uas"
    "audio:46f4:0002:use_audio audio"
    "network:0525:a4a2:use_network network"
    "tablet:0627:0001:use_tablet tablet"
    "mtp:46f4:0004:use_mtp mtp"
    "keyboard:0627:0001:use_keyboard keyboard"
    "reader:08e6:4433:use_card_reader reader"
    "serial:0403:6001:use_serial serial"
)

# What tshark has only for traffic that it takes for that of their class. It does not know MTP.
declare -A FIELDS=(
    [storage]="scsi_sbc.opcode scsi.inquiry.vendor_id" [uas]="uasp.iu_id scsi_sbc.opcode"
    [audio]="usbaudio.as_if_subtype usb.iso.data" [network]=usbcom.control.request_code
    [tablet]=usbhid.data [mtp]=usb.capdata [keyboard]=usbhid.data [reader]=usbccid.bMessageType
    [serial]=ftdi-ft.bRequest
)

import_one() { # BUSID HOST stock|ours
    if [[ $3 == stock ]]; then attach "$1" "$2"; else attach_ours "usbip://$2/$1"; fi
}

# Reads lines "NAME BUSID".
import_all() { # HOST HOW
    local entry name entry_name use busid ways way count=0
    while IFS=' ' read -r name busid; do
        for entry in "${DEVICES[@]}"; do
            IFS=: read -r entry_name _ _ use <<< "$entry"
            [[ $entry_name != "$name" ]] || break
        done
        ways=(ours stock)
        [[ $SCOPE == all ]] || ways=("${ways[count++ % 2]}")
        for way in "${ways[@]}"; do
            import_one "$busid" "$1" "$way"
            $use
            detach "$PORT"
            expect_clean_dmesg "$name, imported $2 ($way): the kernel log is clean"
        done
    done
}

if [[ $LAB_GUEST == 1 ]]; then
    must modprobe xhci_pci
    must modprobe ehci_pci
    must modprobe uhci_hcd
    find_devices() {
        local entry name vendor product folder found=0
        : > "$LAB_SCRATCH/devices"
        for entry in "${DEVICES[@]}"; do
            IFS=: read -r name vendor product _ <<< "$entry"
            for folder in /sys/bus/usb/devices/*-*; do
                [[ $(cat "$folder/idVendor" 2> /dev/null):$(cat "$folder/idProduct" 2> /dev/null) == "$vendor:$product" ]] || continue
                # The tablet and the keyboard have the same ids.
                [[ $vendor != 0627 ]] || grep -q -i "$name" "$folder/product" || continue
                echo "$name $(basename "$folder")" >> "$LAB_SCRATCH/devices"
                found=$((found + 1))
            done
        done
        ((found == ${#DEVICES[@]}))
    }
    wait_for find_devices || bail_out "all devices are there" "$(cat "$LAB_SCRATCH/devices"; dmesg | tail -n 30)"
    sed 's/^/# /' "$LAB_SCRATCH/devices"
    start_echo far_end
    expect_clean_dmesg "the kernel log is clean after booting"

    # shellcheck disable=SC2046
    start_server "tcp://0.0.0.0:3240" --capture "$LAB_SCRATCH/trace.pcapng" --snaplen 2048 $(cut -d ' ' -f 2 "$LAB_SCRATCH/devices")
    check "usbip-host is not loaded" bash -c "! lsmod | grep -q usbip_host"
    [[ $SCOPE != all ]] || import_all 127.0.0.1 here < "$LAB_SCRATCH/devices"

    # The second guest's turn.
    export -f monitor port_named
    export LAB_SCRATCH
    busybox nc -ll -p $SHELL_PORT -e /bin/bash &
    # When it fails the lab stops this one.
    until [[ -e $LAB_SCRATCH/second_is_done ]]; do sleep 1; done
    kill $!
    ok "the second guest comes to its end"
    stop_server TERM
    check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
    mapfile -t fields < <(while read -r name busid; do
        for field in ${FIELDS[$name]}; do echo "$busid:$field"; done
    done < "$LAB_SCRATCH/devices")
    check_dissected "$LAB_SCRATCH/trace.pcapng" "${fields[@]}"
    expect_clean_dmesg
else
    # The first guest comes to it when it is done itself. Seldom, so that asking costs it little; what
    # ends a wait in vain is the lab's clock.
    until far echo yes | grep -q yes; do sleep 3; done 2> /dev/null
    far cat "\$LAB_SCRATCH/devices" > "$LAB_SCRATCH/devices"
    sed 's/^/# /' "$LAB_SCRATCH/devices"
    import_all "$EXPORTER" "over a network" < "$LAB_SCRATCH/devices"
    expect_clean_dmesg
    far touch "\$LAB_SCRATCH/second_is_done"
fi
finish
