# A server that is killed amid traffic: its ports become free, nothing in the kernel stays stuck, and
# the next server serves.
#
# lab-allow: recv xbuf # the connection may end amid a payload
. "$LAB_REPO/lab/guest/lib.sh"

start_server tcp://127.0.0.1:3240 'emulated:zero?speed=super' 'emulated:zero?speed=full'
attach 1-1
super=$LOCAL
attach 1-2
full=$LOCAL
bind_usbtest "$super" 0 0
bind_usbtest "$full" 0 0

# A plain read and a plain write: usbtest gives up on them 10 s after their device was lost, and holds
# the device until then. Its queued cases would hold it for ever.
"$USBTEST_RUNNER" --device "$super" 2:iterations=1000000,length=16384 > /dev/null 2>&1 &
reader=$!
"$USBTEST_RUNNER" --device "$full" 1:iterations=1000000,length=16384 > /dev/null 2>&1 &
writer=$!
both_cases_run() { dmesg | grep -q "TEST 1:" && dmesg | grep -q "TEST 2:"; }
wait_for both_cases_run || bail_out "both cases run"

stop_server KILL
check "its ports become free" wait_for all_ports_free
wait "$reader"
check_equal "the case that was reading fails" 1 $?
wait "$writer"
check_equal "the case that was writing fails" 1 $?
check "the devices are gone" wait_for test ! -e "/sys/bus/usb/devices/$super" -a \
    ! -e "/sys/bus/usb/devices/$full"

start_server tcp://127.0.0.1:3240 'emulated:zero?speed=super'
ok "another server can listen on the same port at once"
attach 1-1
bind_usbtest "$LOCAL" 0 0
run_usbtest "after a server was killed" "$LOCAL" 1:iterations=100 2:iterations=100
stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
check "every port is free" wait_for all_ports_free

expect_clean_dmesg
finish
