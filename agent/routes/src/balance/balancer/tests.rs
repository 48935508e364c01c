use super::*;
use http::HeaderName;
use proptest::prelude::*;
use std::collections::BTreeSet;

const CLIENT: &str = "192.0.2.1";

/// Ready tasks of these keys.
fn tasks(keys: &[u64]) -> Vec<Candidate> {
    let task = |key: &u64| Candidate {
        key: *key,
        load: 0,
        local: false,
        ready: true,
    };
    keys.iter().map(task).collect()
}

fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        let name = HeaderName::from_static(name);
        headers.append(name, value.parse().unwrap());
    }
    headers
}

/// The choice for a client's address and cookies.
fn choose(
    balancer: &Balancer,
    candidates: &[Candidate],
    client: &str,
    cookies: &[&str],
    random: u64,
) -> Option<Chosen> {
    let lookup = Lookup {
        headers: &headers("cookie", cookies),
        client: client.parse().unwrap(),
        tried: &[],
        random,
        count: random,
    };
    balancer.choose(candidates, &lookup)
}

fn sticky(route: &str) -> Balancer {
    let cookie = Cookie {
        name: Some("s".to_owned()),
        secure: false,
        http_only: true,
        same_site: None,
        path: "/".to_owned(),
        max_age_s: None,
    };
    Balancer::new("shop", route, &Balance::Sticky(cookie))
}

/// The name and value of a cookie that is set.
fn pair(set: Option<HeaderValue>) -> Option<String> {
    let set = set?.to_str().unwrap().to_owned();
    set.split(';').next().map(str::to_owned)
}

#[test]
fn a_client_comes_back_by_the_routers_cookie() {
    let (balancer, tasks) = (sticky("a"), tasks(&[1, 2, 3, 4, 5]));
    let none = HeaderMap::new();
    for random in (0..20).map(|it| it << 58) {
        let first = choose(&balancer, &tasks, CLIENT, &["t=1"], random).unwrap();
        let set = balancer.set_cookie(first, &none).unwrap();
        assert!(set.to_str().unwrap().ends_with("; Path=/; HttpOnly"));
        let cookie = pair(Some(set)).unwrap();
        let again = choose(&balancer, &tasks, CLIENT, &["t=1", &cookie], !random).unwrap();
        assert_eq!(again.key, first.key);
        assert_eq!(balancer.set_cookie(again, &none), None);
    }
}

#[test]
fn a_cookie_of_a_task_that_is_gone_or_leaving_is_replaced() {
    let balancer = sticky("a");
    let all = tasks(&[1, 2, 3]);
    let none = HeaderMap::new();
    let first = choose(&balancer, &all, CLIENT, &[], 7).unwrap();
    let cookie = pair(balancer.set_cookie(first, &none)).unwrap();
    let gone: Vec<Candidate> = all
        .iter()
        .copied()
        .filter(|it| it.key != first.key)
        .collect();
    let mut leaving = all.clone();
    leaving
        .iter_mut()
        .filter(|it| it.key == first.key)
        .for_each(|it| it.ready = false);
    for candidates in [gone, leaving] {
        let next = choose(&balancer, &candidates, CLIENT, &[&cookie], 7).unwrap();
        assert_ne!(next.key, first.key);
        let set = pair(balancer.set_cookie(next, &none)).unwrap();
        assert_ne!(set, cookie);
    }
    let lookup = Lookup {
        headers: &headers("cookie", &[&cookie]),
        client: CLIENT.parse().unwrap(),
        tried: &[first.key],
        random: 7,
        count: 0,
    };
    assert_ne!(balancer.choose(&all, &lookup).unwrap().key, first.key);
}

#[test]
fn a_cookie_names_a_task_of_its_own_route_only_and_nothing_else() {
    let tasks = tasks(&[1, 2, 3, 4]);
    let none = HeaderMap::new();
    let (one, other) = (sticky("a"), sticky("b"));
    let cookie =
        pair(one.set_cookie(choose(&one, &tasks, CLIENT, &[], 1).unwrap(), &none)).unwrap();
    for forged in [
        cookie.as_str(),
        "s=1",
        "s=0000000000000001",
        "s=+000000000000001",
        "s=",
    ] {
        let chosen = choose(&other, &tasks, CLIENT, &[forged], 1).unwrap();
        assert!(other.set_cookie(chosen, &none).is_some(), "{forged}");
    }
}

#[test]
fn a_cookie_is_written_in_one_way() {
    let (balancer, tasks) = (sticky("a"), tasks(&[1]));
    let only = balancer.value(1);
    let known = |cookie: &str| {
        let chosen = choose(&balancer, &tasks, CLIENT, &[cookie], 1).unwrap();
        balancer.set_cookie(chosen, &HeaderMap::new()).is_none()
    };
    assert!(known(&format!("s={only}")));
    assert!(known(&format!("s=0; s=\"{only}\"")));
    assert!(!known(&format!("s=0{only}")));
    assert!(!known(&format!("s=+{only}")));
}

#[test]
fn cookies_are_the_same_on_all_nodes_and_in_all_versions() {
    let balancer = sticky("a");
    assert_eq!(balancer.value(1), "5cdc19e153f71bd8");
    let unnamed = Cookie {
        name: None,
        ..beside_app()
    };
    let balancer = Balancer::new("shop", "a", &Balance::Sticky(unnamed));
    let first = choose(&balancer, &tasks(&[1]), CLIENT, &[], 1).unwrap();
    let set = pair(balancer.set_cookie(first, &HeaderMap::new())).unwrap();
    assert_eq!(set, "swarmlb_073d4929=5cdc19e153f71bd8");
}

#[test]
fn an_address_leads_to_one_task_and_addresses_to_all() {
    let balancer = Balancer::new("shop", "a", &Balance::ClientAddress);
    let tasks = tasks(&[1, 2, 3, 4, 5]);
    let of = |client: &str, random| choose(&balancer, &tasks, client, &[], random).unwrap().key;
    assert_eq!(of("192.0.2.1", 1), of("192.0.2.1", 2));
    assert_eq!(of("::ffff:192.0.2.1", 1), of("192.0.2.1", 1));
    let all: BTreeSet<u64> = (0..50).map(|it| of(&format!("192.0.2.{it}"), 1)).collect();
    assert_eq!(all.len(), 5);
    let network: BTreeSet<u64> = (0..50)
        .map(|it| of(&format!("2001:db8::{it}"), 1))
        .collect();
    assert_eq!(network.len(), 1);
    let networks: BTreeSet<u64> = (0..50)
        .map(|it| of(&format!("2001:db8:0:{it}::1"), 1))
        .collect();
    assert_eq!(networks.len(), 5);
}

#[test]
fn a_client_comes_back_to_the_task_that_set_the_applications_cookie() {
    let balancer = Balancer::new("shop", "a", &Balance::AppCookie("SID".to_owned()));
    let tasks = tasks(&[1, 2, 3, 4, 5]);
    let none = HeaderMap::new();
    for random in (0..20).map(|it| it << 58) {
        let first = choose(&balancer, &tasks, CLIENT, &[], random).unwrap();
        assert_eq!(balancer.set_cookie(first, &none), None);
        let answer = headers("set-cookie", &["SID=x1; Path=/app; Secure; Max-Age=9"]);
        let set = balancer.set_cookie(first, &answer).unwrap();
        assert!(
            set.to_str()
                .unwrap()
                .ends_with("; Path=/app; Secure; Max-Age=9")
        );
        let own = pair(Some(set)).unwrap();
        let again = choose(&balancer, &tasks, CLIENT, &["SID=x1", &own], !random).unwrap();
        assert_eq!(again.key, first.key);
        assert_eq!(balancer.set_cookie(again, &none), None);
    }
}

#[test]
fn the_applications_cookie_alone_leads_to_one_task_on_all_nodes() {
    let balancer = Balancer::new("shop", "a", &Balance::AppCookie("SID".to_owned()));
    let tasks = tasks(&[1, 2, 3, 4, 5]);
    let of = |value: &str, random| choose(&balancer, &tasks, CLIENT, &[value], random).unwrap();
    assert_eq!(of("SID=x1", 1).key, of("SID=x1", 2).key);
    let all: BTreeSet<u64> = (0..50).map(|it| of(&format!("SID={it}"), 1).key).collect();
    assert_eq!(all.len(), 5);
    let set = balancer
        .set_cookie(of("SID=x1", 1), &HeaderMap::new())
        .unwrap();
    assert!(
        set.to_str().unwrap().ends_with("; Path=/; HttpOnly"),
        "{set:?}"
    );
}

proptest! {
    /// No cookies of a client stop the choice, or lead to a task that is not ready.
    #[test]
    fn any_cookies_lead_to_a_ready_task(cookies in proptest::collection::vec("(s|SID)?=?[0-9a-f\"; ]{0,18}", 0..4), ready in 0..3_usize, random in any::<u64>()) {
        let mut tasks = tasks(&[1, 2, 3]);
        for (number, task) in tasks.iter_mut().enumerate() {
            task.ready = number == ready;
        }
        let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
        let app = Balancer::new("shop", "a", &Balance::AppCookie("SID".to_owned()));
        for balancer in [sticky("a"), app] {
            let chosen = choose(&balancer, &tasks, CLIENT, &cookies, random);
            prop_assert_eq!(chosen.map(|it| it.key), Some(tasks[ready].key));
        }
    }
}
