use super::{Asked, Ended, Line};
use crate::access_log::Format;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

fn asked() -> Asked<'static> {
    Asked {
        time: UNIX_EPOCH + Duration::from_millis(1_796_021_045_678),
        id: "0123",
        client: IpAddr::from(Ipv4Addr::new(203, 0, 113, 7)),
        peer: SocketAddr::from(([192, 0, 2, 1], 50_000)),
        port: 80,
        entry_point: "http",
        tls: None,
        protocol: "HTTP/1.1",
        method: "GET",
        host: b"a.test",
        path: b"/x",
        query: None,
        user_agent: Some(b"curl/8"),
        referer: Some(b"https://b.test/y?token=secret"),
    }
}

fn ended() -> Ended<'static> {
    Ended {
        status: 200,
        bytes_in: 1,
        bytes_out: 2,
        took: Duration::from_micros(12_034),
        head: Some(Duration::from_micros(999)),
        tries: 1,
        route: Some(("web", "main")),
        task: Some(("t1", "node1")),
        reused: true,
        retried_because: None,
        error: None,
    }
}

fn json(asked: &Asked<'_>, ended: &Ended<'_>) -> Value {
    let line = Line::begin(Format::Json, asked).end(ended);
    let text = line.strip_suffix('\n').unwrap();
    assert!(
        text.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "{text}"
    );
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_line_has_what_is_known() {
    let line = json(&asked(), &ended());
    assert_eq!(line["time"], "2026-11-30T06:44:05.678Z");
    assert_eq!(line["flow"], "192.0.2.1:50000>80");
    assert_eq!(line["client"], "203.0.113.7");
    assert_eq!(line["ms"], 12.034);
    assert_eq!(line["head_ms"], 0.999);
    assert_eq!(line["referer"], "https://b.test/y", "no query");
    assert_eq!(
        (&line["route"], &line["task"]),
        (&"main".into(), &"t1".into())
    );
    assert_eq!(line.get("error"), None);
    let error = Ended {
        error: Some("refused"),
        retried_because: Some("reset"),
        ..Ended::default()
    };
    let tls = Asked {
        tls: Some(("1.3", "a.test")),
        ..asked()
    };
    let line = json(&tls, &error);
    assert_eq!(
        (&line["tls"], &line["sni"]),
        (&"1.3".into(), &"a.test".into())
    );
    assert_eq!(line["error"], "refused");
    assert_eq!(line["retried_because"], "reset");
}

#[test]
fn nobody_writes_a_line_of_his_own() {
    let evil = b"x\"}\n{\"status\":200,\\ \x1b[2J\xff\xc3\xa9\xf0\x9f\x98\x80";
    let line = json(
        &Asked {
            host: evil,
            path: evil,
            user_agent: Some(evil),
            ..asked()
        },
        &ended(),
    );
    let read = String::from_utf8_lossy(evil);
    for field in ["host", "path", "user_agent"] {
        assert_eq!(line[field], *read, "{field}");
    }
    let asked = Asked {
        path: evil,
        user_agent: Some(evil),
        ..asked()
    };
    let line = Line::begin(Format::Common, &asked).end(&ended());
    assert_eq!(line.matches('\n').count(), 1);
    assert!(line.is_ascii());
}

#[test]
fn long_texts_are_cut() {
    let long = vec![b'\n'; 100_000];
    let line = json(
        &Asked {
            user_agent: Some(&long),
            ..asked()
        },
        &ended(),
    );
    assert_eq!(line["user_agent"].as_str().unwrap().len(), super::TEXT);
}

#[test]
fn the_common_format_is_the_common_one() {
    let line = Line::begin(Format::Common, &asked()).end(&ended());
    assert_eq!(
        line,
        "203.0.113.7 - - [30/Nov/2026:06:44:05 +0000] \"GET /x HTTP/1.1\" 200 2 \
         \"https://b.test/y\" \"curl/8\" \"a.test\" 0123 \"main\" \"t1\" 12ms\n"
    );
    let line = Line::begin(Format::Common, &asked()).end(&Ended::default());
    assert!(line.contains("\" 0 0 \""), "{line}");
    assert!(line.ends_with(" \"-\" \"-\" 0ms\n"), "{line}");
    let asked = Asked {
        query: Some("a=\"1"),
        ..asked()
    };
    let line = Line::begin(Format::Common, &asked).end(&ended());
    assert!(line.contains(r#""GET /x?a=\"1 HTTP/1.1" 200 2 "#), "{line}");
    assert_eq!(json(&asked, &ended())["query"], "a=\"1");
}
