# What `periprox attach`, `ports`, `detach` and `export` make of a real kernel's virtual ports: devices
# come up with their drivers, go away without a trace whoever unplugs them and whatever becomes of
# the server, and the stock tools see ours.
#
# lab-timeout: 420
. "$LAB_REPO/lab/guest/lib.sh"

# --- Before there are ports ----------------------------------------------------------------------

printed=$("$PERIPROX" attach emulated:go_temp 2>&1)
check_equal "without the module it says how to load it" \
    "try: as root: modprobe vhci-hcd" "$(grep '^try:' <<< "$printed")"
must modprobe vhci-hcd
modprobe ldusb
echo 08f7 0002 > /sys/bus/usb/drivers/ldusb/new_id

# The row of a port in the list of ports, as JSON fields that follow one another.
port_field() { # PORT FIELD
    "$PERIPROX" ports --json | python3 -c "
import json, sys
for port in json.load(sys.stdin)['ports']:
    if port['port'] == $1: print(port.get('$2', ''))"
}
no_periprox_runs() { ! pgrep -x periprox; }
no_attach_process() { ! pgrep -f 'periprox attach'; }

check_equal "with nothing attached all ports are free" \
    "all $(cat /sys/devices/platform/vhci_hcd.0/nports) ports are free; \`periprox attach DEVICE\` plugs a device in" \
    "$("$PERIPROX" ports)"

# --- In the foreground ---------------------------------------------------------------------------

attach_log=$LAB_SCRATCH/attach
start_attach() { # ARGUMENTS: in the foreground; ATTACH becomes its process
    wait_for hub_is_empty # So that it is port 0.
    : > "$attach_log"
    "$PERIPROX" attach "$@" > "$attach_log" 2> "$attach_log.err" &
    ATTACH=$!
}
attach_says() { grep -q -- "$1" "$attach_log"; }
attach_ended() { ! kill -0 "$ATTACH" 2> /dev/null; }

start_attach 'emulated:go_temp?celsius=21.5'
wait_for attach_says "^port 0: " || bail_out "attach says that the device is usable" "$(cat "$attach_log"*)"
check "it names port, bus id, ids, speed, driver and origin" \
    attach_says "^port 0: [0-9]*-1  08f7:0002  low speed  Vernier.*  ldusb  (emulated:go_temp?celsius=21.5)$"
check "the driver has made its node" test -c /dev/ldusb0
check_equal "temperatures arrive" 8 "$(head -c 8 /dev/ldusb0 | wc -c)"
check_equal "ports shows where it comes from" "emulated:go_temp?celsius=21.5" "$(port_field 0 locator)"
check_equal "ports shows which process serves it" "$ATTACH" "$(port_field 0 process)"
check "the stock tool shows its origin" grep -q "usbip://periprox:0/emulated:go_temp?celsius=21.5" <(usbip port 2> /dev/null)
watched=$LAB_SCRATCH/watched.pcapng
"$PERIPROX" capture 'emulated:go_temp?celsius=21.5' "$watched" &
WATCHER=$!
wait_for test -s "$watched"
check_equal "temperatures arrive while somebody watches" 8 "$(head -c 8 /dev/ldusb0 | wc -c)"
LOCAL=$(port_field 0 busid)
must "$PERIPROX" detach "$LOCAL"
check "the port is free when detach returns" all_ports_free
wait_for attach_ended
wait "$ATTACH"
check_equal "the attaching process ends well when its device is detached" 0 $?
wait "$WATCHER"
check_equal "so does the one who watches" 0 $?
check "who has seen the reports" grep -q "HID report:" <("$PERIPROX" inspect "$watched")
check_equal "and nothing is left of its records" "" "$(find /run/periprox/ports /var/run/vhci_hcd -type f -o -type s)"

start_attach emulated:go_temp
wait_for attach_says "^port 0: "
must usbip detach -p 0
wait_for attach_ended
wait "$ATTACH"
check_equal "stock usbip detach ends ours" 0 $?
check "and the port is free" wait_for all_ports_free

start_attach emulated:go_temp
wait_for attach_says "^port 0: "
kill -INT "$ATTACH"
wait "$ATTACH"
check_equal "an interrupt ends it well" 0 $?
check "with the port free" all_ports_free

start_attach emulated:go_temp
wait_for attach_says "^port 0: "
kill -KILL "$ATTACH"
check "after kill -9 the kernel frees the port by itself" wait_for all_ports_free
wait "$ATTACH" 2> /dev/null
expect_clean_dmesg

# --- In the background ---------------------------------------------------------------------------

wait_for hub_is_empty
check "in the background it returns when the device is usable" \
    grep -q "^port 0: .* ldusb " <("$PERIPROX" attach --background emulated:go_temp)
check "and the device works on" test -c /dev/ldusb0
must "$PERIPROX" detach emulated:go_temp
check "its process ends when the device is detached by its locator" wait_for no_periprox_runs
check "the port is free" all_ports_free
"$PERIPROX" attach --background emulated:no_such_device > /dev/null 2>&1
check_equal "an error in the background is the command's" 2 $?

# --- Errors --------------------------------------------------------------------------------------

fails_with() { # NAME STATUS TEXT ARGUMENTS...
    local name=$1 status=$2 text=$3 printed found
    shift 3
    printed=$("$PERIPROX" "$@" 2>&1)
    found=$?
    check_equal "$name: status" "$status" "$found"
    check "$name: $text" grep -q -- "$text" <<< "$printed"
}
fails_with "a port that is free" 1 "nothing is plugged in there" detach 3
fails_with "a port that does not exist" 1 "there is no port of that number" detach 9999
fails_with "no server there" 1 "nobody listens there" attach usbip://127.0.0.1:1/1-1
fails_with "a device directly that has no server" 2 "leave --direct out" attach --direct emulated:zero
fails_with "vsock directly" 2 "256 KiB" attach --direct usbip+vsock://1/1-1
echo "no data" | "$PERIPROX" export emulated:no_such 2> "$LAB_SCRATCH/export" | cat > /dev/null
check "export of what does not exist says so" grep -q "no_such" "$LAB_SCRATCH/export"

# --- Devices of a server -------------------------------------------------------------------------

start_server tcp://127.0.0.1:3240 'emulated:go_temp' emulated:zero
wait_for hub_is_empty
must "$PERIPROX" attach --background usbip://127.0.0.1/1-1
check "the stock tool shows the server" grep -q "usbip://127.0.0.1:3240/1-1" <(usbip port 2> /dev/null)
fails_with "a device in use" 1 "in use by another client" attach usbip://127.0.0.1/1-1
kill -STOP "$SERVER"
must "$PERIPROX" detach 0
check "a port is freed although its server is stopped" all_ports_free
kill -CONT "$SERVER"
check "the process that served it ends" wait_for no_attach_process
stop_server
check "the server ends well" test "$SERVER_STATUS" = 0

start_server tcp://127.0.0.1:3240 'emulated:go_temp' emulated:zero
start_attach usbip://127.0.0.1/1-1
wait_for attach_says "^port 0: "
stop_server KILL
check "a port is freed when its server dies" wait_for all_ports_free
wait_for attach_ended
wait "$ATTACH"
check_equal "and attach fails with the reason" 1 $?
check "which it names" grep -q "the device is gone" "$attach_log.err"

# --- A program waits for URBs with the device locked, and the server is silent -----------------------

# Without answers to these URBs the kernel could not take the device out, ever: usbfs holds the device's
# lock until usbtest has them back.
start_server tcp://127.0.0.1:3240 'emulated:go_temp' emulated:zero
runner_waits() { grep -q '^State:.D' "/proc/$RUNNER/status"; }
runner_ended() { ! kill -0 "$RUNNER" 2> /dev/null; }
start_stuck_runner() { # ALTERNATE_SETTING CASE: on the device of port 0
    bind_usbtest "$(port_field 0 busid)" "$1" 0
    "$USBTEST_RUNNER" "$2" > "$LAB_SCRATCH/runner" 2>&1 &
    RUNNER=$!
    wait_for runner_waits
    kill -STOP "$SERVER"
}
start_attach usbip://127.0.0.1/1-2
wait_for attach_says "^port 0: "
start_stuck_runner 0 27:iterations=1000000,length=16384,sglen=32
must "$PERIPROX" detach 0
check "a port is freed although bulk URBs are under way to a server that is stopped" all_ports_free
check "and the program that waited for them fails" wait_for runner_ended
check "with the error of a device that is gone" grep -q "failed" "$LAB_SCRATCH/runner"
wait_for attach_ended
wait "$ATTACH"
check_equal "the attaching process ends well when another has asked for that" 0 $?
kill -CONT "$SERVER"
check "the device is free again at the server" wait_for grep -q "1-2 is free again" "$SERVER_LOG.err"

start_attach usbip://127.0.0.1/1-2
wait_for attach_says "^port 0: "
start_stuck_runner 1 16:iterations=1000000,length=1024,sglen=4
kill -INT "$ATTACH"
wait "$ATTACH"
check_equal "an interrupt ends it well with isochronous URBs under way" 0 $?
check "the port is free" all_ports_free
check "the program has ended" wait_for runner_ended
kill -CONT "$SERVER"
stop_server

start_attach emulated:go_temp
wait_for attach_says "^port 0: "
kill -STOP "$ATTACH"
must "$PERIPROX" detach 0
check "a port is freed although the process that serves it is stopped" all_ports_free
kill -CONT "$ATTACH"
check "which then ends" wait_for attach_ended
check_equal "and nothing is left of its records" "" "$(find /run/periprox/ports /var/run/vhci_hcd -type f -o -type s)"
expect_clean_dmesg

start_server tcp://127.0.0.1:3240 'emulated:go_temp' emulated:zero
wait_for hub_is_empty
check "directly it returns when the device is usable" \
    grep -q "^port 0: .*zero\|^port 0: .*Zero" <("$PERIPROX" attach --direct usbip://127.0.0.1/1-2)
check_equal "no process of ours serves it" 0 "$(port_field 0 process)"
check_equal "and its origin is known" "usbip://127.0.0.1/1-2" "$(port_field 0 locator)"
must "$PERIPROX" detach --all
check "it is detached like any other" all_ports_free
stop_server
expect_clean_dmesg

# --- Through a command and through vsock ---------------------------------------------------------

wait_for hub_is_empty
must "$PERIPROX" attach --background "usbip+exec:$PERIPROX export emulated:go_temp"
check "a device at the other end of a command works" test -c /dev/ldusb0
must "$PERIPROX" detach 0
check "its command ends with it" wait_for no_periprox_runs

if modprobe vsock_loopback; then
    start_server vsock://any:3240 emulated:zero
    wait_for hub_is_empty
    must "$PERIPROX" attach --background usbip+vsock://local/1-1
    LOCAL=$(port_field 0 busid)
    bind_usbtest "$LOCAL" 0 0
    run_usbtest "over vsock" "$LOCAL" 1:iterations=20,length=512 9:iterations=20 \
        27:iterations=2,length=524288,sglen=4 28:iterations=2,length=524288,sglen=4
    must "$PERIPROX" detach 0
    stop_server
else
    not_ok "vsock_loopback loads"
fi

# --- Many ports ----------------------------------------------------------------------------------

# More than one hub of one controller has (15); lab/soak/all_ports.sh takes every one.
devices=()
for ((i = 0; i < 17; i++)); do devices+=("emulated:go_temp?serial=N$i"); done
for ((i = 0; i < 3; i++)); do devices+=("emulated:zero?speed=super&serial=S$i"); done
"$PERIPROX" attach --background --wait 120 --json "${devices[@]}" > "$LAB_SCRATCH/many" 2>&1
check_equal "20 devices at once" 20 "$(grep -c '"event":"attached"' "$LAB_SCRATCH/many")"
check_equal "each has a driver or is known to have none" 17 "$(ls /dev/ldusb* | wc -l)"
check_equal "17 of them on two controllers" "0 30" \
    "$("$PERIPROX" ports | awk '$4 == "low" { print $1 - $1 % 30 }' | sort -nu | xargs)"
"$PERIPROX" detach --all --wait 60 > /dev/null
check "all ports are free again" all_ports_free
# While the kernel still takes the others out, one after another.
check "devices that are attached at once are usable" \
    "$PERIPROX" attach --background --wait 120 "${devices[@]:0:6}"
"$PERIPROX" detach --all --wait 60 > /dev/null
check "and their process has ended" wait_for no_periprox_runs
expect_clean_dmesg
finish
