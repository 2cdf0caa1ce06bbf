# A real device exported by periprox without usbip-host, imported by the stock usbip: usbtest's cases
# through all of it, those included under which usbip-host itself breaks (10, 11, 12, 24).
#
# lab-timeout: 600
. "$LAB_REPO/lab/guest/lib.sh"

start_gadget_zero
start_server tcp://127.0.0.1:3240 "$GADGET"
attach "$GADGET"
check "usbip-host is not loaded" bash -c "! lsmod | grep -q usbip_host"
bind_usbtest "$LOCAL" 0 0
run_usbtest "exported" "$LOCAL" \
	1:iterations=1000 2:iterations=1000 3:iterations=200 4:iterations=200 5:iterations=50 \
	6:iterations=50 7:iterations=50 8:iterations=50 9:iterations=300 10:iterations=50 \
	11:iterations=50 12:iterations=50 13:iterations=20 14:iterations=50,vary=1 \
	17:iterations=100 18:iterations=100 19:iterations=100 20:iterations=100 \
	21:iterations=50,vary=1 24:iterations=20 27:iterations=10 28:iterations=10 29:iterations=20
detach "$PORT"
check "every port is free" all_ports_free
attach "$GADGET"
bind_usbtest "$LOCAL" 0 0
run_usbtest "attached again" "$LOCAL" 1:iterations=100 2:iterations=100
detach "$PORT"
stop_server TERM
check_equal "the server ends well" 0 "$SERVER_STATUS"
check "no record is left" test ! -e "/run/periprox/claims/$GADGET"

expect_clean_dmesg
finish
