//! Bounds of what is read of the labels of routes.

use super::*;

#[test]
fn of_64_kib_of_labels_all_routes_are_served_and_of_one_byte_more_none() {
    // Two labels of 50 bytes together, and a name of 9.
    for (bytes, routed) in [(65_536 - 59, 1), (65_537 - 59, 0)] {
        let filler = "x".repeat(bytes);
        let service = with(&[WEB[0], WEB[1], ("traefik.x", &filler)]);
        let (wanted, _) = desired(&view(service), &ON);
        assert_eq!(wanted.routed.len(), routed, "{bytes}");
    }
}
