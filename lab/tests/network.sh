# Emulated network adapters under the kernel's cdc_ncm and cdc_ether, through stock vhci_hcd. At the
# other end of the cable is a TAP device in a network namespace of its own, so that all that passes
# between the two passes through USB.
#
# lab-timeout: 900
. "$LAB_REPO/lab/guest/lib.sh"

in_far() { ip netns exec far "$@"; }
net_of() { basename "$(echo /sys/bus/usb/devices/"$1"/"$1":1.0/net/*)"; }
has_net() { [[ -e /sys/class/net/$(net_of "$1") ]]; }
attach_network() { # BUSID SUBNET
    attach "$1"
    wait_for has_net "$LOCAL" || bail_out "a network device appears" "$(dmesg | tail -n 8)"
    NET=$(net_of "$LOCAL")
    must ip address add "10.99.$2.2/24" dev "$NET"
    must ip link set "$NET" up
}
has_carrier() { [[ $(cat "/sys/class/net/$NET/carrier") == "$1" ]]; }
listens() { in_far grep -q ':1389 .* 0A ' /proc/net/tcp; }
# Sends FILE from here to the far end and gets it back from there, over one connection.
there_and_back() { # FILE ADDRESS
    in_far python3 -c '
import socket
server = socket.create_server(("0.0.0.0", 5001))
peer, _ = server.accept()
got = b""
while chunk := peer.recv(65536): got += chunk
peer.sendall(got)' &
    local server=$!
    wait_for listens
    python3 - "$@" << 'END' || return
import socket, sys, threading
sent = open(sys.argv[1], "rb").read()
peer = socket.create_connection((sys.argv[2], 5001), timeout=600)
peer.sendall(sent)
peer.shutdown(socket.SHUT_WR)
back = b""
while chunk := peer.recv(65536): back += chunk
print(len(sent), "bytes sent,", len(back), "came back")
sys.exit(back != sent)
END
    wait "$server"
}

for module in tun cdc_ncm cdc_ether; do must modprobe $module; done
must ip netns add far
start_server tcp://127.0.0.1:3240 'emulated:network?to=tap:tap0&mac=02:00:00:00:00:aa' \
    'emulated:network?to=tap:tap1&mode=ecm&speed=full'
for tap in 0 1; do
    must ip link set "tap$tap" netns far
    must in_far ip address add "10.99.$tap.1/24" dev "tap$tap"
    must in_far ip link set "tap$tap" up
done
head -c 1M /dev/urandom > "$LAB_SCRATCH/data"
head -c 100K /dev/urandom > "$LAB_SCRATCH/less"

# --- NCM ---

attach_network 1-1 0
check "cdc_ncm binds" is_bound_to "$LOCAL:1.0" cdc_ncm
check_equal "the host takes the adapter's address" 02:00:00:00:00:aa "$(cat "/sys/class/net/$NET/address")"
check "there is a carrier" wait_for has_carrier 1
must ip link set "$NET" down
check_suspend_and_resume "$LOCAL"
must ip link set "$NET" up
check "small packets go there and back" ping -q -c 5 -i 0.2 -W 60 10.99.0.1
check "... and the largest ones" ping -q -c 5 -i 0.2 -W 60 -s 1472 -M do 10.99.0.1
check "a megabyte goes there and back, byte by byte" there_and_back "$LAB_SCRATCH/data" 10.99.0.1
expect_clean_dmesg

# --- Unplugged while packets pass ---

ping -q -f -s 1000 10.99.0.1 > "$LAB_SCRATCH/flood" 2>&1 &
pinger=$!
sleep 1
detach "$PORT"
kill -INT "$pinger"
wait "$pinger"
ok "an adapter is unplugged while packets pass"
expect_clean_dmesg

# --- ECM, at full speed ---

attach_network 1-2 1
check "cdc_ether binds to the ECM adapter" is_bound_to "$LOCAL:1.0" cdc_ether
check "packets of all sizes go there and back" eval \
    'for size in 18 470 471 982 1472; do ping -q -c 2 -i 0.2 -W 60 -s $size 10.99.1.1 || exit; done'
check "100 KB go there and back, byte by byte" there_and_back "$LAB_SCRATCH/less" 10.99.1.1
must in_far ip link delete tap1
check "the carrier is gone with the TAP device" wait_for has_carrier 0
detach "$PORT"

expect_clean_dmesg
stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
finish
