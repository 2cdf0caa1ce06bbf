# An emulated gadget zero under the kernel's own host-controller tests (usbtest), through stock
# vhci_hcd, at full, high and super speed.
#
# The alternate settings of the device: 0 bulk, 1 bulk and isochronous, 2 bulk and interrupt.
# Wherever usbtest looks at the data, device and module follow pattern 1, which tells a misplaced
# byte from the right one; the cases for throughput refuse to run with anything but zeros, and
# isochronous data is not looked at.
# What the cases do: linux, drivers/usb/misc/usbtest.c, usbtest_do_ioctl.
#
# lab-timeout: 600
. "$LAB_REPO/lab/guest/lib.sh"

patterned_cases=(
    0
    1:iterations=300,length=1024
    2:iterations=300,length=1024
    3:iterations=100,length=4096,vary=509
    4:iterations=100,length=4096,vary=509
    5:iterations=30,length=1024,sglen=16
    6:iterations=30,length=1024,sglen=16
    7:iterations=30,length=4096,vary=509,sglen=16
    8:iterations=30,length=4096,vary=509,sglen=16
    9:iterations=30
    10:iterations=30,sglen=16
    11:iterations=30,length=1024
    12:iterations=30,length=1024
    13:iterations=20,length=1024
    14:iterations=100,length=1024,vary=5
    17:iterations=100,length=1025
    18:iterations=100,length=1024
    19:iterations=100,length=1025
    20:iterations=100,length=1024
    21:iterations=100,length=1024,vary=5
    24:iterations=20,length=1024,sglen=16
    29:iterations=20,length=1024
)
throughput_cases=(
    27:iterations=20,length=16384,sglen=32
    28:iterations=20,length=16384,sglen=32
)
isochronous_cases=(
    15:iterations=20,length=4096,sglen=4
    16:iterations=20,length=4096,sglen=4
    22:iterations=20,length=4096,sglen=4
    23:iterations=20,length=4096,sglen=4
)
interrupt_cases=(
    25:iterations=50,length=64
    26:iterations=50,length=64
)

all_cases_at() { # SPEED MEGABITS BUSID_WITH_PATTERN BUSID_WITH_ZEROS
    attach "$3"
    check_equal "$1 speed is what the kernel sees" "$2" \
        "$(cat "/sys/bus/usb/devices/$LOCAL/speed")"
    bind_usbtest "$LOCAL" 0 1
    run_usbtest "$1 speed, bulk and control" "$LOCAL" "${patterned_cases[@]}"
    bind_usbtest "$LOCAL" 2 1
    run_usbtest "$1 speed, interrupt" "$LOCAL" "${interrupt_cases[@]}"
    detach "$PORT"

    attach "$4"
    bind_usbtest "$LOCAL" 0 0
    run_usbtest "$1 speed, throughput" "$LOCAL" "${throughput_cases[@]}"
    bind_usbtest "$LOCAL" 1 0
    run_usbtest "$1 speed, isochronous" "$LOCAL" "${isochronous_cases[@]}"
    detach "$PORT"
    expect_clean_dmesg "the kernel log is clean at $1 speed"
}

start_server tcp://127.0.0.1:3240 \
    'emulated:zero?speed=full&pattern=1' 'emulated:zero?speed=full' \
    'emulated:zero?speed=high&pattern=1' 'emulated:zero?speed=high' \
    'emulated:zero?speed=super&pattern=1' 'emulated:zero?speed=super'
all_cases_at full 12 1-1 1-2
all_cases_at high 480 1-3 1-4
all_cases_at super 5000 1-5 1-6

# Two devices at once, one writing and one reading: neither may hold up or corrupt the other.
attach 1-4
high=$LOCAL
bind_usbtest "$high" 0 0
attach 1-6
super=$LOCAL
bind_usbtest "$super" 0 0
"$USBTEST_RUNNER" --device "$high" 27:iterations=20,length=16384,sglen=32 > "$LAB_SCRATCH/27" 2>&1 &
writer=$!
run_usbtest "while another device is written to" "$super" 28:iterations=20,length=16384,sglen=32
wait "$writer"
check_equal "the other device was written to" 0 $?
expect_clean_dmesg "the kernel log is clean with two devices"

stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
check "every port is free" wait_for all_ports_free

expect_clean_dmesg
finish
