# Runs first in a node's own mount and UTS namespaces ($1: name, $2: directory) and
# makes of them what the engine takes for a machine of its own: all its default
# paths are there, and none is shared with the next node.
set -eu
name=$1 dir=$2

# Mounts inherited from the machine would keep other nodes' namespaces alive.
umount --recursive /run/netns 2>/dev/null || true
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/.lab

# Own writable copies of what engines write to; the machine's are not touched.
for tree in /etc /opt /var/lib; do
    upper=/run/.lab$tree/upper work=/run/.lab$tree/work
    mkdir -p "$upper" "$work"
    mount -t overlay -o "lowerdir=$tree,upperdir=$upper,workdir=$work" overlay "$tree"
done
mkdir -p "$dir/docker" /var/lib/docker
mount --bind "$dir/docker" /var/lib/docker

# Nothing resolves here, and it has to say so at once: else each task waits for a
# registry that is not there.
rm -f /etc/resolv.conf
echo 'nameserver 127.0.0.1' > /etc/resolv.conf
echo "$name" > /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" > /etc/hosts
hostname "$name"

# /sys shows the links of the network namespace it was mounted in. The cgroups move
# over: the nodes share the machine's, as tasks' limits need the real ones.
mkdir /run/.lab/cgroup
mount --move /sys/fs/cgroup /run/.lab/cgroup
umount --recursive --lazy /sys
mount -t sysfs sysfs /sys
mount --move /run/.lab/cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
# By this the engine finds AppArmor, where the kernel has it.
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null || true

# As an init system leaves it: bind mounts of services may ask for propagation.
mount --make-rshared /
touch "$dir/ready"
exec sleep infinity
