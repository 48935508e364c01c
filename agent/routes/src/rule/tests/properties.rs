//! Any rules, and any texts.

use super::*;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    "[a-z`\"\\\\{}(,) /]{0,6}"
}

fn path() -> impl Strategy<Value = NormalPath> {
    "/[a-z`\"/. ]{0,4}".prop_filter_map("no path", |path| NormalPath::written(&path).ok())
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let regex = prop_oneof!["[a-z.]{1,4}", Just("^a(b|c)+\"`$".to_owned())];
    let regex = regex.prop_map(|expression| Regex::new(&expression).unwrap());
    let value = prop_oneof![
        text().prop_map(TextPattern::Exact),
        regex.clone().prop_map(TextPattern::Regex),
    ];
    let network = (any::<IpAddr>(), 0_u8..=32);
    let network = network.prop_map(|(address, length)| {
        let network = ipnet::IpNet::new(address, length).unwrap();
        Matcher::ClientIp(network.trunc())
    });
    let host = "[a-z0-9]{1,3}([.][a-z0-9-]{1,3}){0,2}".prop_map(|host| Host::of(&host));
    let host = host.prop_filter_map("no host", |host| host);
    prop_oneof![
        host.clone()
            .prop_map(|host| Matcher::Host(HostPattern::Exact(host))),
        host.prop_map(|host| Matcher::Host(HostPattern::Below(host))),
        regex
            .clone()
            .prop_map(|regex| Matcher::Host(HostPattern::Regex(regex))),
        path().prop_map(|path| Matcher::Path(PathPattern::Exact(path))),
        path().prop_map(|path| Matcher::Path(PathPattern::Prefix(path))),
        regex.prop_map(|regex| Matcher::Path(PathPattern::Regex(regex))),
        "[A-Z]{1,5}".prop_map(|name| Matcher::Method(Method::from_bytes(name.as_bytes()).unwrap())),
        ("[a-z-]{1,5}", value.clone()).prop_map(|(name, value)| {
            Matcher::Header(HeaderName::from_bytes(name.as_bytes()).unwrap(), value)
        }),
        ("[a-z]{1,4}", value).prop_map(|(key, value)| Matcher::Query(key, value)),
        network,
    ]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    matcher()
        .prop_map(Rule::Matcher)
        .prop_recursive(4, 24, 3, |inner| {
            let list = proptest::collection::vec(inner.clone(), 2..4);
            prop_oneof![
                list.clone().prop_map(Rule::All),
                list.prop_map(Rule::Any),
                inner.prop_map(|rule| Rule::Not(Box::new(rule))),
            ]
        })
}

proptest! {
    #[test]
    fn a_rule_is_read_as_it_is_written(rule in any_rule()) {
        prop_assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule));
    }

    #[test]
    fn any_text_is_a_rule_or_refused(text in "[a-zA-Z(){}|&!`\",. /*\\\\]{0,40}|.{0,20}") {
        if let Ok(rule) = text.parse::<Rule>() {
            prop_assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule));
        }
    }

    #[test]
    fn any_authority_is_a_host_in_one_form_or_none(text in "[a-zA-Z0-9.:\\[\\]-]{0,24}|.{0,20}") {
        if let Some(host) = Host::of(&text) {
            let again = host.as_str();
            let again = if again.contains(':') { format!("[{again}]") } else { again.to_owned() };
            prop_assert_eq!(Host::of(&again), Some(host));
        }
    }
}
