# What the tests of the guest lab share. A test sources this file, states its checks, and ends with
# `finish`:
#
#     . "$LAB_REPO/lab/guest/lib.sh"
#     start_server tcp://127.0.0.1:3240 'emulated:go_temp?celsius=21.5'
#     attach 1-1
#     check "ldusb binds" test -c /dev/ldusb0
#     finish
#
# Every check prints one line, "ok - NAME" or "not ok - NAME"; the test goes on after a failed one.
# A step that later checks rest upon ends the test when it fails (`must`, `attach`, ...).
#
# Environment, from lab/lab: LAB_REPO the repository, PERIPROX the program under test,
# USBTEST_RUNNER the program that runs usbtest cases, LAB_PORT a TCP port free on the machine.

set -u

LAB_CHECKS=0
LAB_FAILED=0
LAB_FINISHED=no
LAB_PATIENCE=${LAB_PATIENCE:-60} # seconds that wait_for waits unless told otherwise
LAB_SCRATCH=$(mktemp -d)

# --- Checks --------------------------------------------------------------------------------------

ok() { # NAME
    LAB_CHECKS=$((LAB_CHECKS + 1))
    echo "ok - $1"
}

not_ok() { # NAME [EXPLANATION]
    LAB_CHECKS=$((LAB_CHECKS + 1))
    LAB_FAILED=$((LAB_FAILED + 1))
    echo "not ok - $1"
    if [[ -n ${2-} ]]; then sed 's/^/#   /' <<< "$2"; fi
}

# One check: COMMAND succeeds. What it prints is shown if it does not.
check() { # NAME COMMAND [ARGS...]
    local name=$1 printed
    shift
    if printed=$("$@" 2>&1); then
        ok "$name"
    else
        not_ok "$name" "$* failed${printed:+:
$printed}"
    fi
}

check_equal() { # NAME WANTED FOUND
    if [[ $2 == "$3" ]]; then
        ok "$1"
    else
        not_ok "$1" "wanted: $2
found:  $3"
    fi
}

# Ends the test: what follows makes no sense without what failed.
bail_out() { # REASON
    not_ok "$1" "${2-}"
    finish
}

must() { # COMMAND [ARGS...]
    local printed
    printed=$("$@" 2>&1) || bail_out "$*" "$printed"
}

# Ends every test. A test that stops before it, for whatever cause, has failed.
finish() {
    LAB_FINISHED=yes
    show_server_log
    echo "# $((LAB_CHECKS - LAB_FAILED)) of $LAB_CHECKS checks passed"
    ((LAB_CHECKS > 0 && LAB_FAILED == 0))
    exit
}

trap '[[ $LAB_FINISHED == yes ]] || { echo "not ok - the test ends with finish"; exit 1; }' EXIT

# Never has anything to read: to wait for it is to sleep without a process, whose start keeps an
# emulated processor, and with it the other guest's, busy for longer than the sleep.
exec {NEVER}<> <(:)

# Waits until COMMAND succeeds; fails after LAB_PATIENCE seconds. The limit is there to end a test
# that waits in vain; it must never decide one that is merely slow.
wait_for() { # COMMAND [ARGS...]
    local end=$((SECONDS + LAB_PATIENCE))
    until "$@" > /dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        read -r -t 0.1 -u "$NEVER" || :
    done
}

# --- The kernel's log ----------------------------------------------------------------------------

# Lines of trouble in what stdin holds of the log.
trouble_in() {
    local patterns=$LAB_SCRATCH/patterns
    grep -v -e '^#' -e '^$' "$LAB_REPO/lab/guest/trouble.patterns" > "$patterns" || return
    grep -E -f "$patterns" || true
}

# The lines of stdin that the test at hand doesn't allow by `# lab-allow: PATTERN # why`.
not_allowed() {
    local allowed=$LAB_SCRATCH/allowed
    sed -n 's/^# lab-allow: *\(.*\) # .*/\1/p' "$0" > "$allowed"
    if [[ -s $allowed ]]; then grep -v -E -f "$allowed" || true; else cat; fi
}

# No trouble in the kernel's log since the last such check. lab/lab looks through the whole log at
# the end anyway; checks in between tell which step it was.
LAB_LOG_SEEN=0
expect_clean_dmesg() { # [NAME]
    dmesg > "$LAB_SCRATCH/dmesg"
    check_equal "${1:-the kernel log is clean}" "" \
        "$(tail -n +$((LAB_LOG_SEEN + 1)) "$LAB_SCRATCH/dmesg" | trouble_in | not_allowed)"
    LAB_LOG_SEEN=$(wc -l < "$LAB_SCRATCH/dmesg")
}

# --- A PeriProx server in this guest -------------------------------------------------------------

SERVER=
SERVER_LOG=

server_is_ready() { grep -q "^listening on" "$SERVER_LOG"; }
server_is_ready_or_gone() { server_is_ready || ! kill -0 "$SERVER"; }

# Serves DEVICEs and returns when the server says that it is ready. LISTEN is a locator such as
# tcp://127.0.0.1:3240.
start_server() { # LISTEN DEVICE...
    local listen=$1
    shift
    [[ -x ${PERIPROX:-} ]] || bail_out "a periprox program to test" "PERIPROX is '${PERIPROX:-}'"
    SERVER_LOG=$(mktemp "$LAB_SCRATCH/server.XXXX")
    "$PERIPROX" serve "$@" --listen "$listen" > "$SERVER_LOG" 2> "$SERVER_LOG.err" &
    SERVER=$!
    wait_for server_is_ready_or_gone || bail_out "the server says that it is ready"
    server_is_ready || bail_out "the server starts" "$(cat "$SERVER_LOG.err")"
}

server_is_gone() { ! kill -0 "$SERVER" 2> /dev/null; }

# Ends the server by a signal; SERVER_STATUS becomes its exit status.
stop_server() { # [SIGNAL]
    kill "-${1:-TERM}" "$SERVER"
    if ! wait_for server_is_gone; then
        kill -KILL "$SERVER"
        not_ok "the server ends upon SIG${1:-TERM}"
    fi
    wait "$SERVER" 2> /dev/null
    SERVER_STATUS=$?
    show_server_log
    SERVER=
}

show_server_log() {
    [[ -n $SERVER_LOG ]] || return 0
    head -q -n 40 "$SERVER_LOG" "$SERVER_LOG.err" | sed 's/^/# server: /'
    SERVER_LOG=
}

# --- The stock server in this guest --------------------------------------------------------------

USBIPD=

# Serves what is bound to usbip-host, or what OPTIONS of usbipd say, and returns when it answers.
start_stock_server() { # [OPTIONS...]
    usbipd -4 "$@" > /dev/null 2>&1 &
    USBIPD=$!
    wait_for usbip list -r 127.0.0.1 || bail_out "stock usbipd answers"
}

# --- Captures ------------------------------------------------------------------------------------

# tshark finds nothing malformed in a capture, and a field that only its class has in the traffic of
# each device named. INTERFACE is the device's name in the capture. tshark runs once, for it starts slowly.
#
# Linux asks for the four bytes that a SCSI vital page begins with before it asks for all of it (SPC-4,
# 6.6: the answer is cut). tshark takes that for malformed, whoever wrote the capture.
check_dissected() { # FILE INTERFACE:FIELD...
    local file=$1 item fields options
    shift
    # A field that is named twice would be shown once.
    mapfile -t fields < <(printf '%s\n' "${@##*:}" | sort -u)
    options=("${fields[@]/#/-e}")
    must eval "tshark -r '$file' -T fields -e _ws.malformed -e usb.data_len -e frame.interface_name ${options[*]} \
        > '$LAB_SCRATCH/dissected'"
    check_equal "tshark finds nothing malformed in $(wc -l < "$LAB_SCRATCH/dissected") packets" "" "$(awk -F '\t' \
        '$1 != "" && !($1 ~ /SCSI/ && $2 == 4)' "$LAB_SCRATCH/dissected" | head -n 3)"
    for item in "$@"; do
        check "tshark sees ${item##*:} in the traffic of ${item%:*}" awk -F '\t' -v name="${item%:*}" \
            -v "column=$(printf '%s\n' "${fields[@]}" | grep -n -x "${item##*:}" | cut -d : -f 1)" \
            '$3 == name && $(column + 3) != "" { found = 1 } END { exit !found }' "$LAB_SCRATCH/dissected"
    done
}

# --- Ports of vhci_hcd ---------------------------------------------------------------------------

# The rows of all ports of all controllers: "HUB PORT STATE SPEED DEVID SOCKFD BUSID".
vhci_ports() {
    grep -h -E '^(hs|ss)' /sys/devices/platform/vhci_hcd.0/status*
}

# State 4 is free, 5 attached but not yet addressed, 6 in use, 7 in error.
port_state() { # PORT
    local hub port state rest
    while read -r hub port state rest; do
        if ((10#$port == $1)); then echo $((10#$state)); fi
    done < <(vhci_ports)
}

ports_not_free() {
    local hub port state rest
    while read -r hub port state rest; do
        if [[ $state != 004 ]]; then echo $((10#$port)); fi
    done < <(vhci_ports)
}

port_is_free() { [[ $(port_state "$1") == 4 ]]; }
all_ports_free() { [[ -z $(ports_not_free) ]]; }

# The local bus id of the device at a port, once the kernel has configured it.
port_busid() { # PORT
    local hub port state speed devid sockfd busid
    while read -r hub port state speed devid sockfd busid; do
        if ((10#$port == $1)) && [[ $state == 006 ]]; then echo "$busid"; fi
    done < <(vhci_ports)
}

port_is_configured() { # PORT
    local busid
    busid=$(port_busid "$1")
    [[ -n $busid && $busid != 0-0 && -e /sys/bus/usb/devices/$busid/bConfigurationValue &&
        -n $(cat "/sys/bus/usb/devices/$busid/bConfigurationValue") ]]
}

# Imports a device with the stock program and waits until it is configured. PORT becomes its port,
# LOCAL its bus id in this kernel.
PORT=
LOCAL=
attach() { # BUSID [HOST [TCP_PORT]]
    local before after
    modprobe vhci-hcd
    before=$(ports_not_free)
    must usbip --tcp-port "${3:-3240}" attach -r "${2:-127.0.0.1}" -b "$1"
    after=$(ports_not_free)
    PORT=$(comm -13 <(sort <<< "$before") <(sort <<< "$after") | head -n 1)
    [[ -n $PORT ]] || bail_out "a port is taken by the attached device"
    wait_for port_is_configured "$PORT" ||
        bail_out "the device attached from $1 is configured" "$(vhci_ports | head -n 1)
$(dmesg | tail -n 10)"
    LOCAL=$(port_busid "$PORT")
}

# The same with `periprox attach`.
attach_ours() { # LOCATOR [OPTION]
    local printed
    modprobe vhci-hcd
    printed=$("$PERIPROX" attach "${2---background}" "$1" 2>&1) || bail_out "attaching $1" "$printed"
    [[ $printed =~ ^port\ ([0-9]+):\ ([0-9.-]+) ]] || bail_out "attach prints its port" "$printed"
    PORT=${BASH_REMATCH[1]} LOCAL=${BASH_REMATCH[2]}
}

# A port is free before the kernel has taken its device out; one that comes meanwhile is taken for the
# same, if it is put into that port.
hub_is_empty() { ! compgen -G "/sys/devices/platform/vhci_hcd.*/usb*/*-[1-9]*" > /dev/null; }
is_unplugged() { [[ ! -e /sys/bus/usb/devices/$1 ]]; } # BUSID

detach() { # PORT
    local busid
    busid=$(port_busid "$1")
    must usbip detach -p "$1"
    wait_for port_is_free "$1" || bail_out "port $1 is free after detaching"
    [[ -z $busid ]] || wait_for is_unplugged "$busid" || bail_out "the kernel takes $busid out"
}

# --- Drivers and devices -------------------------------------------------------------------------

# The driver of an interface, such as 3-1:1.0.
driver_of() { # INTERFACE
    basename "$(readlink -f "/sys/bus/usb/devices/$1/driver")"
}

is_bound_to() { # INTERFACE DRIVER
    [[ $(driver_of "$1") == "$2" ]]
}

is_runtime() { # BUSID active|suspended
    [[ $(cat "/sys/bus/usb/devices/$1/power/runtime_status") == "$2" ]]
}

# Has the port of a device that nobody uses suspended, and resumed. What follows shows whether the
# device still works.
check_suspend_and_resume() { # BUSID
    local power=/sys/bus/usb/devices/$1/power
    echo 0 > "$power/autosuspend_delay_ms"
    echo auto > "$power/control"
    check "the port of a device that nobody uses is suspended" wait_for is_runtime "$1" suspended
    echo on > "$power/control"
    check "... and resumed" wait_for is_runtime "$1" active
}

# The first interface of a device's configuration, which has any number: 3-1:1.0, 3-1:3.0.
interface_of() { # BUSID
    basename "$(echo "/sys/bus/usb/devices/$1:"*.0)"
}

# The bus id of a device with these ids that is really plugged in: not an imported one.
busid_of() { # VENDOR PRODUCT
    local folder
    for folder in /sys/bus/usb/devices/*-*; do
        [[ $(readlink -f "$folder") != */vhci_hcd* ]] || continue
        if [[ $(cat "$folder/idVendor" 2> /dev/null):$(cat "$folder/idProduct" 2> /dev/null) == "$1:$2" ]]; then
            basename "$folder"
        fi
    done
}
is_plugged_in() { [[ -n $(busid_of "$1" "$2") ]]; } # VENDOR PRODUCT

# The block device of a disk, such as sda, once it has its medium.
block_of() { # BUSID
    local folder
    for folder in /sys/bus/usb/devices/"$1":*/host*/target*/*/block/*; do
        if [[ -b /dev/$(basename "$folder") && $(cat "$folder/size") != 0 ]]; then
            basename "$folder"
        fi
    done
}
has_block() { [[ -n $(block_of "$1") ]]; }

# A node of a device below /dev, such as hidraw0 or input/event3.
node_of() { # BUSID PATTERN
    find -L "/sys/bus/usb/devices/$1/" -maxdepth 6 -name "$2" 2> /dev/null | head -n 1 | xargs -r basename
}
has_node() { [[ -n $(node_of "$1" "$2") ]]; }

# The node below /dev of a virtio port that QEMU was given.
port_named() { # NAME
    modprobe virtio_console
    basename "$(dirname "$(grep -l -x "$1" /sys/class/virtio-ports/*/name)")"
}

# Answers what comes to a virtio port with the same, for as long as the guest lives.
start_echo() { # NAME
    local port
    port=/dev/$(port_named "$1")
    # The port has one opener at a time.
    (exec 6<> "$port"; while busybox cat <&6 >&6; do sleep 1; done) &
}

# Tells QEMU's own monitor something: sendkey, device_del, device_add, ...
monitor() { # COMMAND...
    echo "$*" > "/dev/$(port_named monitor)"
}

# Has usbtest bind, with the endpoints of alternate setting ALT and data PATTERN (0 zeros, 1 mod63).
bind_usbtest() { # BUSID ALT PATTERN
    local interface
    interface=$(interface_of "$1")
    modprobe usbtest
    echo "$2" > /sys/module/usbtest/parameters/alt
    echo "$3" > /sys/module/usbtest/parameters/pattern
    if [[ -e /sys/bus/usb/drivers/usbtest/$interface ]]; then
        echo "$interface" > /sys/bus/usb/drivers/usbtest/unbind
    fi
    echo "$interface" > /sys/bus/usb/drivers/usbtest/bind
    wait_for is_bound_to "$interface" usbtest ||
        bail_out "usbtest binds to $interface with alternate setting $2"
}

# One check per usbtest case.
run_usbtest() { # NAME BUSID CASE...
    local name=$1 busid=$2 item printed
    shift 2
    for item in "$@"; do
        if printed=$("$USBTEST_RUNNER" --device "$busid" "$item" 2>&1); then
            ok "$name: $printed"
        else
            not_ok "$name: $printed"
        fi
    done
}

# Plugs a gadget zero made by the kernel itself (dummy_hcd, configfs) into this guest. GADGET
# becomes its bus id.
GADGET=
gadget_is_there() {
    GADGET=$(grep -l -x 0525 /sys/bus/usb/devices/*/idVendor 2> /dev/null | head -n 1)
    GADGET=$(basename "$(dirname "${GADGET:-none/}")")
    [[ -e /sys/bus/usb/devices/$GADGET/bConfigurationValue ]]
}

start_gadget_zero() { # [full|high|super]
    local zero=/sys/kernel/config/usb_gadget/zero
    local -A speed=([full]=is_high_speed=0 [high]=is_high_speed=1 [super]=is_super_speed=1)
    modprobe dummy_hcd "${speed[${1:-high}]}" || bail_out "dummy_hcd loads"
    modprobe libcomposite || bail_out "libcomposite loads"
    mkdir -p $zero/strings/0x409 $zero/configs/c.1 $zero/functions/SourceSink.0
    echo 0x0525 > $zero/idVendor
    echo 0xa4a0 > $zero/idProduct
    ln -s $zero/functions/SourceSink.0 $zero/configs/c.1/
    echo dummy_udc.0 > $zero/UDC
    wait_for gadget_is_there || bail_out "the gadget is enumerated"
}

# Unplugs it, so that it can start anew at another speed.
stop_gadget_zero() {
    local zero=/sys/kernel/config/usb_gadget/zero
    echo "" > $zero/UDC
    rm $zero/configs/c.1/SourceSink.0
    wait_for modprobe -r dummy_hcd || bail_out "dummy_hcd is unloaded"
}
