#!/bin/busybox sh
# The guest's first process: loads the modules, runs tests/sata/guest/main.ts, hands out /results, and powers off.
/bin/busybox mkdir -p /bin /sbin /proc /sys /dev /tmp /root /results
/bin/busybox --install -s /bin
export PATH=/bin:/sbin HOME=/root DENO_DIR=/deno DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
exec </dev/console >/dev/console 2>&1
for module in /modules/*; do
  insmod "$module" || echo "cannot load $module"
done
echo "The guest is up: $(uname -sr), $(cut -d ' ' -f 1 /proc/uptime) s after its start"
cd /project
deno run --allow-all --cached-only --no-check --quiet tests/sata/guest/main.ts
echo "The guest's main program ended with status $?"
for port in /sys/class/virtio-ports/*; do
  if [ "$(cat "$port/name")" = iddr.results ]; then
    tar -c -C /results . >"/dev/${port##*/}"
  fi
done
poweroff -f
