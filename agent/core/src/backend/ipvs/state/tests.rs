use super::*;
use lb_abi::{Be16, TCP};

#[test]
fn what_steers_packets_to_a_virtual_service_names_it_and_nothing_else_does() {
    let address = Ipv4Addr::new(10, 0, 0, 1);
    let port = Port::new(Be16::new(8080), TCP);
    for (element, service) in [
        (
            Element::Vip(address, port),
            Some(ServiceKey::Address(address, port)),
        ),
        (Element::TunnelMark(7, port, 9), Some(ServiceKey::Mark(9))),
        (
            Element::OwnPortMark(7, address, 80, 9),
            Some(ServiceKey::Mark(9)),
        ),
        (Element::Published(port), None),
        (Element::LocalReply(address, port), None),
        (Element::Endpoint(address, 9), None),
    ] {
        assert_eq!(element.service(), service, "{element}");
    }
}
