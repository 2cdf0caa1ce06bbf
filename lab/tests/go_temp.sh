# An emulated Go!Temp thermometer, read by a driver of the kernel (ldusb) through stock vhci_hcd.
#
# A report has 8 bytes: how many samples it holds (1 to 3), a rolling counter, and three samples as
# little-endian int16 in units of 1/128 degC. So every temperature here is known to the last bit.
. "$LAB_REPO/lab/guest/lib.sh"

# COUNT reports of a thermometer, a line each: how many samples, the counter, the samples.
reports() { # NODE COUNT
    local bytes line i
    timeout "$LAB_PATIENCE" dd "if=$1" bs=8 "count=$2" 2> /dev/null | od -An -v -t u1 -w8 |
        while read -r -a bytes; do
            line="${bytes[0]} ${bytes[1]}"
            for ((i = 2; i < 2 + 2 * bytes[0] && i < 8; i += 2)); do
                line+=" $(((bytes[i] + 256 * bytes[i + 1] ^ 0x8000) - 0x8000))" # as signed
            done
            echo "$line"
        done
}

# The samples of COUNT reports, in order, on one line.
samples() { # NODE COUNT
    reports "$1" "$2" | awk '{ for (i = 3; i <= NF; i++) line = line " " $i }
        END { print substr(line, 2) }'
}

# The same, but each value once.
values() { # NODE COUNT
    reports "$1" "$2" | awk '{ for (i = 3; i <= NF; i++) if (!seen[$i]++) line = line " " $i }
        END { print substr(line, 2) }'
}

# Nothing if the reports on stdin are well formed and their counters consecutive; else the first
# that isn't.
malformed() {
    local n counter rest expected=
    while read -r n counter rest; do
        if ((n < 1 || n > 3)) || [[ -n $expected ]] && ((counter != expected)); then
            echo "$n samples, counter $counter, expected ${expected:-any}"
            return
        fi
        expected=$(((counter + 1) % 256))
    done
}

# Today's kernels have no driver that names this thermometer; ldusb serves it when told to.
modprobe ldusb
echo 08f7 0002 > /sys/bus/usb/drivers/ldusb/new_id

start_server tcp://127.0.0.1:3240 'emulated:go_temp?celsius=21.5&period_ms=10' \
    'emulated:go_temp?celsius=-10.25&period_ms=10' 'emulated:go_temp?ramp=20:40:0.5'

list=$(usbip list -r 127.0.0.1)
check "the stock list shows the first device" grep -q ' 1-1: .*(08f7:0002)' <<< "$list"
check "the stock list shows the last device" grep -q ' 1-3: .*(08f7:0002)' <<< "$list"

attach 1-1
first=$PORT
check_equal "it is a low-speed device" 1.5 "$(cat "/sys/bus/usb/devices/$LOCAL/speed")"
wait_for test -c /dev/ldusb0 || bail_out "ldusb binds" "$(dmesg | tail -n 5)"
ok "ldusb binds"

reports /dev/ldusb0 20 > "$LAB_SCRATCH/reports"
check_equal "20 reports arrive" 20 "$(wc -l < "$LAB_SCRATCH/reports")"
check_equal "they are well formed, with a rolling counter" "" \
    "$(malformed < "$LAB_SCRATCH/reports")"
check_equal "21.5 degC is 2752 in every sample" 2752 "$(values /dev/ldusb0 20)"

# Closing cancels the report under way: an unlink each time.
lost=0
for _ in {1..20}; do
    [[ $(values /dev/ldusb0 1) == 2752 ]] || lost=$((lost + 1))
done
check_equal "the temperature is right each time the device is opened anew" 0 "$lost"

attach 1-2
second=$PORT
wait_for test -c /dev/ldusb1 || bail_out "ldusb binds to the second device"
check_equal "-10.25 degC is -1312, on another device" -1312 \
    "$(values /dev/ldusb1 5)"

attach 1-3
wait_for test -c /dev/ldusb2 || bail_out "ldusb binds to the third device"
ramp=$(samples /dev/ldusb2 8)
# 0.5 degC is 64 units; 8 reports hold no more samples than the ramp has.
check_equal "a ramp rises by the same step in every sample" \
    "$(seq -s ' ' 2560 64 $((2560 + 64 * ($(wc -w <<< "$ramp") - 1))))" "$ramp"

check "a device in use is refused to another importer" \
    bash -c '! usbip attach -r 127.0.0.1 -b 1-1'
check "an unknown bus id is refused" bash -c '! usbip attach -r 127.0.0.1 -b 9-9'
check_equal "... and neither takes a port" 3 "$(ports_not_free | wc -l)"
check_equal "... nor disturbs the device in use" 2752 "$(values /dev/ldusb0 5)"

configuration=/sys/bus/usb/devices/$(port_busid "$first")/bConfigurationValue
value=$(cat "$configuration")
echo 0 > "$configuration"
check "ldusb lets go of an unconfigured device" wait_for test ! -e /dev/ldusb0
echo "$value" > "$configuration"
check "ldusb binds when it is configured again" wait_for test -c /dev/ldusb0
check_equal "... and measures" 2752 "$(values /dev/ldusb0 5)"
expect_clean_dmesg

detach "$first"
check "the node is gone after detaching" wait_for test ! -e /dev/ldusb0
attach 1-1
check "ldusb binds after attaching again" wait_for test -c /dev/ldusb0
check_equal "... and measures" 2752 "$(values /dev/ldusb0 5)"
check_equal "the other devices stayed" -1312 "$(values /dev/ldusb1 5)"
detach "$second"
expect_clean_dmesg "the kernel log is clean after detaching"

# Two devices are attached, one of them is being read.
cat /dev/ldusb0 > /dev/null 2>&1 &
reader=$!
stop_server TERM
check_equal "the server ends with status 0 upon SIGTERM" 0 "$SERVER_STATUS"
check "its ports become free" wait_for all_ports_free
reader_is_gone() { ! kill -0 "$reader" 2> /dev/null; }
check "a reader of the device ends" wait_for reader_is_gone
expect_clean_dmesg "the kernel log is clean after SIGTERM"

start_server tcp://127.0.0.1:3240 'emulated:go_temp?celsius=0&period_ms=10'
ok "another server can listen on the same port at once"
attach 1-1
wait_for test -c /dev/ldusb0 || bail_out "ldusb binds to the device of another server"
check_equal "0 degC is 0" 0 "$(values /dev/ldusb0 5)"
stop_server KILL
check "a killed server's port becomes free" wait_for all_ports_free
expect_clean_dmesg "the kernel log is clean after SIGKILL"

start_server "tcp://127.0.0.1:$LAB_PORT" 'emulated:go_temp?celsius=125&period_ms=10'
attach 1-1 127.0.0.1 "$LAB_PORT"
wait_for test -c /dev/ldusb0 || bail_out "ldusb binds to a device from another TCP port"
check_equal "125 degC is 16000, from another TCP port" 16000 \
    "$(values /dev/ldusb0 5)"
stop_server INT
check_equal "the server ends with status 0 upon SIGINT" 0 "$SERVER_STATUS"
check "its port becomes free upon SIGINT" wait_for all_ports_free

expect_clean_dmesg
finish
