# Where the time of an URB goes: the tasks that have a part in a usbtest case, and within periprox its
# own code, the libraries, the kernel, and its system calls. By samples of perf (Debian: linux-perf).
#
#     lab/lab run --smp 1 --qemu '-icount shift=1,sleep=off' lab/bench/profile.sh [export|attach] [CASE]
#
# export: a gadget zero of the kernel, served by us and attached by the stock client. attach: the same
# gadget, served by the stock server and attached through us. With -icount (and
# PERIPROX_LAB_ACCEL=tcg,thread=single) the guest's clock counts instructions, and so do samples.
#
# lab-timeout: 3000
# With -icount the guest's clock leaps while it waits for the machine.
LAB_PATIENCE=${LAB_PATIENCE:-3600}
. "$LAB_REPO/lab/guest/lib.sh"

WAY=${1:-export}
CASE=${2:-1:iterations=3000,length=512}
samples=/dev/shm/samples

command -v perf > /dev/null || bail_out "perf is there" "apt install linux-perf"
must modprobe vhci-hcd
start_gadget_zero high
case $WAY in
    export)
        start_server "tcp://127.0.0.1:$LAB_PORT" "$GADGET"
        attach "$GADGET" 127.0.0.1 "$LAB_PORT"
        ;;
    attach)
        modprobe usbip-host
        must usbip bind -b "$GADGET"
        start_stock_server
        must "$PERIPROX" attach --background "usbip://127.0.0.1/$GADGET"
        PORT=$(ports_not_free)
        LOCAL=$(port_busid "$PORT")
        ;;
    *) bail_out "export or attach" "$WAY" ;;
esac
bind_usbtest "$LOCAL" 0 0

# Each sample is an interrupt, and may come as often as we like.
echo 0 > /proc/sys/kernel/perf_cpu_time_max_percent
echo 0 > /proc/sys/kernel/kptr_restrict
must perf record --all-cpus --call-graph fp --event cpu-clock --count 10000 --output "$samples" -- \
    "$USBTEST_RUNNER" --device "$LOCAL" "$CASE"

# Lines of one of perf's reports.
report() { # LINES OPTIONS...
    local lines=$1
    shift
    perf report --input "$samples" --call-graph none "$@" 2> /dev/null | grep '%' | head -n "$lines"
}
echo "tasks, usbtest case $CASE, $WAY (perf is the measuring itself)"
report 12 --no-children --sort comm
echo "periprox: code"
report 200 --no-children --sort comm,dso | grep '% *periprox '
echo "periprox: system calls"
report 400 --children --comms periprox --sort sym | grep -E ' (__x64_sys_[a-z_]+|vfs_read|proc_do_submiturb|async_getcompleted)$'
check "periprox has its part" test -n "$(report 1 --no-children --comms periprox --sort comm)"
must "$PERIPROX" detach "$PORT"
finish
