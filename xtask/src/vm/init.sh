#!/bin/sh
# First process of the guest: what an init system does, as far as an engine needs it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
# Newer kernels begin with none, and sshd minds who may write to its directory.
umask 022
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mountpoint -q /run || mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /dev/pts /dev/shm /run/sshd /run/lock
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs securityfs /sys/kernel/security
mount --make-rshared /

hostname swarmlb-guest
# What the engine and its mesh want: nodes' namespaces can't load modules by themselves.
modprobe -a virtio_net virtiofs overlay bridge br_netfilter veth vxlan dummy 8021q ipip fou \
    ip_vs ip_vs_rr ip_vs_lc ip_vs_sh ip_vs_mh xt_ipvs nf_nat nf_conntrack nf_conntrack_netlink \
    nft_chain_nat nft_compat ip_tables iptable_nat iptable_mangle iptable_raw iptable_filter \
    xt_MASQUERADE xt_REDIRECT xt_addrtype xt_conntrack xt_mark sch_netem tun 2>/dev/null
sysctl -qw net.ipv4.ip_forward=1

for word in $(cat /proc/cmdline); do
    case $word in
        # tag:path of a directory that the host shares, at the path it has there
        swarmlb.share=*)
            share=${word#swarmlb.share=}
            mkdir -p "${share#*:}"
            mount -t virtiofs "${share%%:*}" "${share#*:}" ;;
        swarmlb.key=*)
            mkdir -p -m 700 ~root/.ssh
            echo "ssh-ed25519 ${word#swarmlb.key=}" > ~root/.ssh/authorized_keys ;;
    esac
done

ip link set lo up
# The one card that qemu gives; names differ.
card=$(ls /sys/class/net | grep -E '^(eth|en)' | head -n 1)
ip link set "$card" up
ip addr add 10.0.2.15/24 dev "$card"
ip route add default via 10.0.2.2
exec tini -- /usr/sbin/sshd -D -e -o PermitRootLogin=yes -o UseDNS=no -o UsePAM=no
