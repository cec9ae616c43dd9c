#!/bin/busybox sh
# The guest's first process: loads the modules, runs tests/guest/inside/main.ts, hands out /results, and powers off.
/bin/busybox mkdir -p /bin /sbin /proc /sys /dev /tmp /root /results
/bin/busybox --install -s /bin
export PATH=/bin:/sbin HOME=/root DENO_DIR=/deno DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
exec </dev/console >/dev/console 2>&1
# Each controller behind a PCI bridge has the same disk. The first is seen now, the others when they are plugged in.
for controller in /sys/bus/pci/devices/0000:0[2-9]:*; do
  echo 1 >"$controller/remove"
done
for module in /modules/*; do
  insmod "$module" || echo "cannot load $module"
  # Disks get their names in the order in which they are driven: main.ts says when.
  case $module in *-scsi_mod.ko) echo 0 >/sys/bus/scsi/drivers_autoprobe ;; esac
done
echo "The guest is up: $(uname -sr), $(cut -d ' ' -f 1 /proc/uptime) s after its start"
cd /project
# Through a pipe, as Deno writes to a terminal what is meant to be overwritten.
deno run --allow-all --cached-only --no-check --quiet tests/guest/inside/main.ts 2>&1 | cat
dmesg >/results/kernel.log
for port in /sys/class/virtio-ports/*; do
  if [ "$(cat "$port/name")" = iddr.results ]; then
    tar -c -C /results . >"/dev/${port##*/}"
  fi
done
poweroff -f
