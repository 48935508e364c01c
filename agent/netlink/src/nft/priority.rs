//! Priorities that netfilter's own parts have at a hook. Of the chains there, those with lower priorities see a packet
//! first.

/// `raw`: ahead of connection tracking. `NF_IP_PRI_RAW` of include/uapi/linux/netfilter_ipv4.h.
pub const PRIO_RAW: i32 = -300;
/// `dstnat`: destination NAT. `NF_IP_PRI_NAT_DST`.
pub const PRIO_DSTNAT: i32 = -100;
/// `filter`: in the middle. `NF_IP_PRI_FILTER`, and in the families `ip6` and `netdev` likewise.
pub const PRIO_FILTER: i32 = 0;
/// `srcnat`: source NAT. `NF_IP_PRI_NAT_SRC`.
pub const PRIO_SRCNAT: i32 = 100;
/// `dstnat` of the family `bridge`: ahead of the filter for bridged frames. `NF_BR_PRI_NAT_DST_BRIDGED` of
/// include/uapi/linux/netfilter_bridge.h.
pub const PRIO_BRIDGE_DSTNAT: i32 = -300;
