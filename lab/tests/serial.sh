# An emulated serial port under the kernel's cdc_acm, alone and in a composite device, through stock
# vhci_hcd: bytes both ways, the lines, and several functions at once.
#
# lab-timeout: 900
. "$LAB_REPO/lab/guest/lib.sh"

tty_of() { # BUSID
    local found
    found=$(echo /sys/bus/usb/devices/"$1"/"$1":*/tty/tty*)
    [[ -e $found ]] && echo "/dev/$(basename "$found")"
}
has_tty() { [[ -c $(tty_of "$1") ]]; }
attach_serial() { # BUSID
    attach "$1"
    wait_for has_tty "$LOCAL" || bail_out "a serial port appears" "$(dmesg | tail -n 8)"
    TTY=$(tty_of "$LOCAL")
    must stty -F "$TTY" 115200 raw -echo -crtscts clocal
}
has_bytes() { (($(stat -c %s "$1" 2> /dev/null || echo 0) >= $2)); } # FILE COUNT

modprobe cdc-acm
modprobe usb-storage
modprobe sd_mod
modprobe usbhid
modprobe hid-generic
echo 0 > /sys/module/usb_storage/parameters/delay_use
head -c 300000 /dev/urandom > "$LAB_SCRATCH/sent"
mkfifo "$LAB_SCRATCH/text"

start_server tcp://127.0.0.1:3240 "emulated:serial?to=pty:$LAB_SCRATCH/port&serial=S1" \
    'emulated:serial?to=listen:tcp://127.0.0.1:4711' \
    "emulated:composite?of=keyboard,serial,storage&serial.to=exec:cat&storage.size=4M&keyboard.input=$LAB_SCRATCH/text"

# --- Through a pseudoterminal ---

attach_serial 1-1
check "cdc_acm binds" is_bound_to "$LOCAL:1.0" cdc_acm
exec 4<> "$LAB_SCRATCH/port"
exec 5<> "$TTY"
cat <&4 > "$LAB_SCRATCH/received" &
reader=$!
cat "$LAB_SCRATCH/sent" >&5
wait_for has_bytes "$LAB_SCRATCH/received" 300000
kill "$reader"
check "what the host sends comes out of the pty, byte by byte" \
    cmp "$LAB_SCRATCH/sent" "$LAB_SCRATCH/received"
rm "$LAB_SCRATCH/received"
cat <&5 > "$LAB_SCRATCH/received" &
reader=$!
cat "$LAB_SCRATCH/sent" >&4
wait_for has_bytes "$LAB_SCRATCH/received" 300000
kill "$reader"
check "what goes into the pty comes to the host, byte by byte" \
    cmp "$LAB_SCRATCH/sent" "$LAB_SCRATCH/received"
must stty -F "$TTY" 9600 cs7 parenb -parodd cstopb
check "line coding is told" wait_for grep -q 'line coding 9600 7E2' "$SERVER_LOG.err"
check "control lines are told" grep -q 'DTR on, RTS on' "$SERVER_LOG.err"
python3 -c 'import termios; termios.tcsendbreak(5, 0)'
check "a break is told" wait_for grep -q 'break' "$SERVER_LOG.err"
exec 5>&-
check "... and that the port was closed" wait_for grep -q 'DTR off' "$SERVER_LOG.err"
detach "$PORT"
exec 4>&-
expect_clean_dmesg

# --- A TCP connection ---

attach_serial 1-2
carrier() { python3 -c 'import fcntl, struct, sys
lines, = struct.unpack("I", fcntl.ioctl(5, 0x5415, b"\0" * 4))  # TIOCMGET
sys.exit(0 if bool(lines & 0x40) == (sys.argv[1] == "on") else 1)' "$1"; }
exec 5<> "$TTY"
check "without a connection there is no carrier" wait_for carrier off
exec 6<> /dev/tcp/127.0.0.1/4711
check "a connection raises it" wait_for carrier on
echo "to the host" >&6
read -r -u 5 -t "$LAB_PATIENCE" line
check_equal "a TCP connection sends to the host" "to the host" "$line"
echo "to the peer" >&5
read -r -u 6 -t "$LAB_PATIENCE" line
check_equal "... and receives from it" "to the peer" "$line"
exec 6>&-
check "its end drops the carrier" wait_for carrier off
exec 5>&-
detach "$PORT"
expect_clean_dmesg

# --- Several functions ---

attach_serial 1-3
composite=$LOCAL
check "a composite device has a keyboard" is_bound_to "$composite:1.0" usbhid
check "... a serial port" is_bound_to "$composite:1.1" cdc_acm
check "... and a disk" is_bound_to "$composite:1.3" usb-storage
wait_for has_block "$composite" || bail_out "the disk appears"
exec 5<> "$TTY"
rm "$LAB_SCRATCH/received"
cat <&5 > "$LAB_SCRATCH/received" &
reader=$!
head -c 2M /dev/urandom > "$LAB_SCRATCH/block"
dd "if=$LAB_SCRATCH/block" "of=/dev/$(block_of "$composite")" bs=64K conv=fsync status=none &
writer=$!
cat "$LAB_SCRATCH/sent" >&5
wait "$writer"
check "its disk is written to while its serial port echoes" \
    cmp -n 2097152 "$LAB_SCRATCH/block" "/dev/$(block_of "$composite")"
wait_for has_bytes "$LAB_SCRATCH/received" 300000
kill "$reader"
check "... every byte" cmp "$LAB_SCRATCH/sent" "$LAB_SCRATCH/received"
exec 5>&-
detach "$PORT"

# --- In and out again ---

plugged=0
server_descriptors() { ls "/proc/$SERVER/fd" | wc -l; }
before=$(server_descriptors)
for _ in {1..10}; do
    attach 1-1 && detach "$PORT" && attach 1-3 && detach "$PORT" && plugged=$((plugged + 2))
done
check_equal "devices are plugged and unplugged twenty times" 20 "$plugged"
has_as_many_descriptors() { (($(server_descriptors) <= before)); }
check "the server holds no more descriptors than before" wait_for has_as_many_descriptors

expect_clean_dmesg
stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
check "every port is free" wait_for all_ports_free
expect_clean_dmesg
finish
