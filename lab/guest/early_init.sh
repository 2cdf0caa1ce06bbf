#!/bin/busybox sh
# The guest's first process: makes the machine's own file system the guest's root, and enters it.
#
# Runs from the initramfs, which holds busybox and the modules listed in /modules/order. The
# machine's `/` comes read-only over 9p; a tmpfs on top takes every write. Three shares arrive by
# their mount tags: `machine` (the root), `modules` (the kernel's own, over /lib/modules) and `run`
# (the folder of this run: the job to do, and its exit status when it is done).

PATH=/bin
export PATH
/bin/busybox --install -s /bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

# Nothing can be reported but on the console: say what failed, power off; the lab finds no status.
give_up() {
    echo "lab: $*" > /dev/console
    poweroff -f
}

while read -r module; do
    insmod "/modules/$module" || give_up "cannot load $module"
done < /modules/order

share() { # OPTIONS TAG FOLDER
    mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,$1" "$2" "$3" ||
        give_up "cannot mount the share $2"
}

# Everything but the run folder stays as it is while the guest lives, so it may be cached freely.
share ro,cache=loose machine /lower
mount -t tmpfs tmpfs /upper
mkdir /upper/data /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /root ||
    give_up "cannot mount the overlay"

# /lib is a link to usr/lib on a merged-/usr machine; the link may be absolute.
modules=/root/lib/modules
[ -L /root/lib ] && modules=/root/usr/lib/modules
mkdir -p "$modules"
share ro,cache=loose modules "$modules"

mount -t proc proc /root/proc
mount -t sysfs sysfs /root/sys
mount -t devtmpfs devtmpfs /root/dev
# /tmp stays the machine's under the overlay: the repository may lie in it.
mount -t tmpfs tmpfs /root/run
mkdir /root/run/lab /root/run/lock
share rw run /root/run/lab

exec chroot /root /bin/bash /run/lab/job < /dev/ttyS1 > /dev/ttyS1 2>&1
