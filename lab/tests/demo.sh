# The demo on a machine whose kernel has vhci_hcd: it must choose the kernel's way by itself.
. "$LAB_REPO/lab/guest/lib.sh"

demo() { "$LAB_REPO/demo/thermometer" "$PERIPROX" --samples 5 > "$LAB_SCRATCH/demo" 2>&1; }

check "the demo succeeds" demo
sed 's/^/# /' "$LAB_SCRATCH/demo"
check "it goes through the kernel's driver" grep -q "ldusb took it: /dev/ldusb" "$LAB_SCRATCH/demo"
check_equal "it prints every temperature" 5 "$(grep -c ' °C ' "$LAB_SCRATCH/demo")"
check "the temperature moves" test "$(grep ' °C ' "$LAB_SCRATCH/demo" | sort -u | wc -l)" -gt 1
check "the ports are free afterwards" wait_for all_ports_free
expect_clean_dmesg

finish
