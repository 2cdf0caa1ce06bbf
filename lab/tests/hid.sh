# An emulated keyboard, mouse and tablet under the kernel's own HID drivers, through stock vhci_hcd:
# what comes out of evdev is what was typed, moved and clicked, and LEDs find their way back.
#
# lab-timeout: 600
. "$LAB_REPO/lab/guest/lib.sh"

# The events in a file of struct input_event (16 bytes of time, u16 type, u16 code, s32 value) as
# "TYPE CODE VALUE", a SYN_REPORT as "--". The kernel's own repetitions of a key that is down (value
# 2, in a SYN_REPORT of value 1) are left out.
events() { # FILE
    od -An -v -w24 -t u2 "$1" | awk '$9 == 1 && $11 == 2 || $9 == 0 && $11 == 1 { next }
        $9 == 0 && $10 == 0 { print "--"; next }
        { print $9, $10, ($12 > 32767 ? $11 + 65536 * ($12 - 65536) : $11 + 65536 * $12) }'
}
# Records the events of an input device; returns when the node is open.
record() { # NODE FILE
    cat "$1" > "$2" &
    RECORDER=$!
    wait_for recorder_has "$1" || bail_out "$1 opens"
}
recorder_has() { readlink "/proc/$RECORDER/fd/"* | grep -q -x "$1"; }
# Waits until COUNT reports were recorded and ends the recording.
recorded() { # FILE COUNT
    wait_for has_reports "$1" "$2"
    kill "$RECORDER"
    wait "$RECORDER" 2> /dev/null
}
has_reports() { # FILE COUNT; counting is dear in a slow guest, a report has 48 bytes or more
    (($(stat -c %s "$1") >= 48 * $2 && $(events "$1" | grep -c -x -e --) >= $2))
}
line_of() { # FILE
    events "$1" | grep -v -e '^4 ' -e '^2 11 ' | tr '\n' ' ' | sed 's/ $//'
}

# The evdev node of a device in this kernel.
event_node() { # BUSID
    local found
    found=$(echo /sys/bus/usb/devices/"$1"/"$1":*/*/input/input*/event*)
    [[ -e $found ]] && echo "/dev/input/$(basename "$found")"
}
has_event_node() { [[ -n $(event_node "$1") ]]; }
attach_hid() { # BUSID
    attach "$1"
    wait_for has_event_node "$LOCAL" || bail_out "an input device appears" "$(dmesg | tail -n 5)"
    NODE=$(event_node "$LOCAL")
}

modprobe usbhid
modprobe hid-generic
modprobe evdev
mkfifo "$LAB_SCRATCH/"{text,moves,places,fast}

start_server tcp://127.0.0.1:3240 "emulated:keyboard?input=$LAB_SCRATCH/text&serial=K1" \
    "emulated:mouse?input=$LAB_SCRATCH/moves" "emulated:tablet?input=$LAB_SCRATCH/places&speed=high" \
    "emulated:mouse?input=$LAB_SCRATCH/fast&speed=high&interval_us=125"

# --- Keyboard ---

attach_hid 1-1
keyboard=$LOCAL
check "usbhid binds to the keyboard" is_bound_to "$LOCAL:1.0" usbhid
check_equal "it has the serial number it was given" K1 "$(cat "/sys/bus/usb/devices/$LOCAL/serial")"
record "$NODE" "$LAB_SCRATCH/typed"
printf 'Hi!\n' > "$LAB_SCRATCH/text"
recorded "$LAB_SCRATCH/typed" 8
# EV_MSC carries the usage; EV_KEY 42 is the left shift, 35 H, 23 I, 2 the 1, 28 enter.
check_equal "each key that was typed is pressed and released, in order" \
    "1 42 1 1 35 1 -- 1 42 0 1 35 0 -- 1 23 1 -- 1 23 0 -- 1 42 1 1 2 1 -- 1 42 0 1 2 0 -- 1 28 1 -- 1 28 0 --" \
    "$(line_of "$LAB_SCRATCH/typed")"

record "$NODE" "$LAB_SCRATCH/typed"
text=$(printf 'abcde%.0s' {1..40})
printf %s "$text" > "$LAB_SCRATCH/text"
recorded "$LAB_SCRATCH/typed" 400
# A to E are 30, 48, 46, 32 and 18.
check_equal "two hundred characters arrive complete and in order" "$text" \
    "$(sed -n 's/^1 \([0-9]*\) 1$/\1/p' <(events "$LAB_SCRATCH/typed") |
        sed 's/^30$/a/; s/^48$/b/; s/^46$/c/; s/^32$/d/; s/^18$/e/' | tr -d '\n')"

led=$(echo /sys/bus/usb/devices/"$keyboard"/"$keyboard":*/*/input/input*/*::capslock/brightness)
echo 1 > "$led"
check "a lit LED is told" wait_for grep -q 'LEDs: caps lock' "$SERVER_LOG.err"
echo 0 > "$led"
check "... and a dark one" wait_for grep -q 'LEDs: none' "$SERVER_LOG.err"

# --- Mouse and tablet ---

attach_hid 1-2
record "$NODE" "$LAB_SCRATCH/moved"
printf 'move 10 -5\nmove 200 0\nclick left\nwheel -1\n' > "$LAB_SCRATCH/moves"
recorded "$LAB_SCRATCH/moved" 6
# EV_REL: 0 X, 1 Y, 8 wheel; the high-resolution wheel (11) is the kernel's own. EV_KEY 272: left.
check_equal "a mouse moves, clicks and scrolls" \
    "2 0 10 2 1 -5 -- 2 0 127 -- 2 0 73 -- 1 272 1 -- 1 272 0 -- 2 8 -1 --" \
    "$(line_of "$LAB_SCRATCH/moved")"

attach_hid 1-3
record "$NODE" "$LAB_SCRATCH/placed"
printf 'to 100 32767\nto 101 32767\nto 16000 2\n' > "$LAB_SCRATCH/places"
recorded "$LAB_SCRATCH/placed" 3
check_equal "a tablet is where it was put" \
    "3 0 100 3 1 32767 -- 3 0 101 -- 3 0 16000 3 1 2 --" \
    "$(line_of "$LAB_SCRATCH/placed")"

attach_hid 1-4
check_equal "a fast mouse is asked every microframe" 01 \
    "$(cat "/sys/bus/usb/devices/$LOCAL/$LOCAL:1.0/ep_81/bInterval")"
record "$NODE" "$LAB_SCRATCH/fast_moved"
# evdev keeps 64 events for a reader, fewer than a slow guest may fall behind: moves in bursts.
for _ in {1..20}; do
    for i in {1..20}; do echo "move $i 0"; done
    echo "wait 50ms"
done > "$LAB_SCRATCH/fast_moves"
cat "$LAB_SCRATCH/fast_moves" > "$LAB_SCRATCH/fast"
recorded "$LAB_SCRATCH/fast_moved" 400
check_equal "400 reports of a fast mouse arrive complete and in order" \
    "$(sed -n 's/move \(.*\) 0/2 0 \1/p' "$LAB_SCRATCH/fast_moves" | md5sum)" \
    "$(events "$LAB_SCRATCH/fast_moved" | grep '^2 0 ' | md5sum)"

# --- Suspend and resume ---

echo 0 > "/sys/bus/usb/devices/$LOCAL/power/autosuspend_delay_ms"
echo auto > "/sys/bus/usb/devices/$LOCAL/power/control"
check "a mouse that nobody looks at is suspended" wait_for is_runtime "$LOCAL" suspended
record "$NODE" "$LAB_SCRATCH/resumed"
printf 'move 1 2\n' > "$LAB_SCRATCH/fast"
recorded "$LAB_SCRATCH/resumed" 1
check_equal "... and moves again once it is resumed" "2 0 1 2 1 2 --" \
    "$(line_of "$LAB_SCRATCH/resumed")"
expect_clean_dmesg

# --- Unplugging in the middle of traffic ---

record "$NODE" "$LAB_SCRATCH/unplugged"
cat "$LAB_SCRATCH/fast_moves" > "$LAB_SCRATCH/fast" &
wait_for has_reports "$LAB_SCRATCH/unplugged" 20
detach "$PORT"
recorder_is_gone() { ! kill -0 "$RECORDER" 2> /dev/null; }
check "a reader of an unplugged mouse ends" wait_for recorder_is_gone
stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
check "every port is free" wait_for all_ports_free
expect_clean_dmesg
finish
