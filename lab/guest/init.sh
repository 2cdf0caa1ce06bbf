#!/bin/bash
# The guest's second stage, in the machine's file system: runs the script given as arguments, keeps
# its exit status in /run/lab/status, and powers off.
#
# It is process 1, so it must not end before the guest does.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Another locale would be read by each program that starts.
export HOME=/root LANG=C

stty -F /dev/ttyS1 -opost
mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t debugfs debugfs /sys/kernel/debug
modprobe configfs && mount -t configfs configfs /sys/kernel/config
ip link set lo up
hostname lab

# A task that waits in vain is reported by the kernel within the time of a test. The slowest usbtest
# case still makes progress far more often than this.
echo 30 > /proc/sys/kernel/hung_task_timeout_secs

# A shell gets the port as its controlling terminal, so that Ctrl-C reaches what it runs.
if [[ $* == "/bin/bash -i" ]]; then
    stty -F /dev/ttyS1 opost onlcr sane
    setsid --ctty --wait "$@" < /dev/ttyS1
    status=$?
else
    "$@" < /dev/null
    status=$?
fi

# Tasks that can't be killed and don't move: the kernel would report them only later. A note in the
# kernel's log makes the run fail.
stuck_tasks() {
    local file stat
    for file in /proc/[0-9]*/stat; do
        # A task may end while we look.
        if { read -r stat < "$file"; } 2> /dev/null && [[ $stat =~ ^([0-9]+)\ \((.*)\)\ D ]]; then
            echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
        fi
    done
}
suspects=$(stuck_tasks)
for _ in 1 2 3 4; do
    [[ -n $suspects ]] || break
    sleep 0.5
    suspects=$(comm -12 <(sort <<< "$suspects") <(stuck_tasks | sort))
done
while read -r pid name; do
    [[ -n $pid ]] || continue
    echo "lab: stuck task: $name, pid $pid, at $(head -n 3 "/proc/$pid/stack" | tr '\n' ' ')" \
        > /dev/kmsg
done <<< "$suspects"

echo "$status" > /run/lab/status
sync
busybox poweroff -f
sleep 10 # poweroff returns at once; process 1 must not
