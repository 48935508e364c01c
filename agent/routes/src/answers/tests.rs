use super::*;
use crate::heads::Refusal;
use crate::path::NormalPath;
use crate::route::Redirect;
use crate::rule::Host;
use http::{HeaderValue, Method};

fn accept(values: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append("accept", HeaderValue::from_static(value));
    }
    headers
}

fn page(problem: &Problem<'_>, values: &[&'static str]) -> Answer {
    Answer::problem(problem, &accept(values), "4f2a")
}

#[test]
fn a_page_has_the_form_that_the_client_prefers() {
    for (values, media_type) in [
        (vec![], "text/plain; charset=utf-8"),
        (vec!["*/*"], "text/plain; charset=utf-8"),
        (vec!["image/png"], "text/plain; charset=utf-8"),
        (
            vec!["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            "text/html; charset=utf-8",
        ),
        (vec!["application/json"], "application/problem+json"),
        (
            vec!["application/json, text/plain, */*"],
            "application/problem+json",
        ),
        (
            vec!["text/html;q=0.5, Application/JSON;q=0.6"],
            "application/problem+json",
        ),
        (
            vec!["application/json ; Q=0.5", "text/html"],
            "text/html; charset=utf-8",
        ),
        (
            vec!["text/html;level=1;q=0.25, text/plain;q=0.3"],
            "text/plain; charset=utf-8",
        ),
        (vec!["application/json;q=0"], "text/plain; charset=utf-8"),
        (
            vec!["application/json;q=x, text/html;q=0.001"],
            "text/html; charset=utf-8",
        ),
    ] {
        let answer = page(&Problem::Internal, &values);
        assert_eq!(answer.headers["content-type"], media_type, "{values:?}");
    }
}

#[test]
fn a_page_says_what_is_wrong_and_which_request_it_was() {
    let host = Host::of("shop.example").unwrap();
    let problem = Problem::NoRoute(&host);
    let plain = page(&problem, &[]);
    assert_eq!(plain.status, StatusCode::NOT_FOUND);
    assert_eq!(
        plain.body,
        "404 Not Found\nNo service claims shop.example, or none claims this path of it.\nRequest 4f2a\n"
    );
    assert_eq!(plain.headers["cache-control"], "no-store");
    assert_eq!(plain.headers["x-request-id"], "4f2a");
    let html = page(&problem, &["text/html"]).body;
    assert!(
        html.contains("<h1>404 Not Found</h1>\n<p>No service claims shop.example"),
        "{html}"
    );
    let json = page(&problem, &["application/json"]).body;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "No service claims shop.example, or none claims this path of it.",
            "request_id": "4f2a",
        })
    );
}

#[test]
fn an_id_cannot_be_markup() {
    let answer = Answer::problem(&Problem::Internal, &accept(&["text/html"]), "<b>");
    assert!(answer.body.contains("Request &lt;b&gt;"), "{}", answer.body);
}

#[test]
fn every_problem_has_a_status_and_one_sentence() {
    let host = Host::of("a").unwrap();
    for (problem, status, sentence) in [
        (
            Problem::Refused(Refusal::NoHost),
            400,
            "The request does not say for which host it is.",
        ),
        (Problem::Unreadable, 400, "The request is not valid HTTP."),
        (
            Problem::Forbidden,
            403,
            "The request is not allowed from this client's address.",
        ),
        (
            Problem::Closed,
            403,
            "This route is closed until its labels are put right.",
        ),
        (
            Problem::Refused(Refusal::Method),
            405,
            "This method is not served.",
        ),
        (
            Problem::RequestTimeout,
            408,
            "The request has not come in time.",
        ),
        (
            Problem::BodyTooLarge { limit: 1024 },
            413,
            "The request's body is longer than 1024 bytes.",
        ),
        (
            Problem::TargetTooLong,
            414,
            "The request's target is too long.",
        ),
        (
            Problem::Misdirected(&host),
            421,
            "This connection is not for a: connect again.",
        ),
        (
            Problem::HeadTooLarge,
            431,
            "The request's header fields are too long.",
        ),
        (
            Problem::Refused(Refusal::TransferCoding),
            501,
            "The request's Transfer-Encoding is not served: only chunked is.",
        ),
        (
            Problem::NotReached,
            502,
            "No task of the service could be reached.",
        ),
        (
            Problem::ClosedBeforeAnswer,
            502,
            "The task has closed the connection before it answered.",
        ),
        (Problem::BadAnswer, 502, "The task's answer is not valid."),
        (
            Problem::NoneReady { tasks: 0 },
            503,
            "The service has no tasks.",
        ),
        (
            Problem::NoneReady { tasks: 1 },
            503,
            "The service has 1 task, and it is not ready.",
        ),
        (
            Problem::NoneReady { tasks: 3 },
            503,
            "The service has 3 tasks, and none of them is ready.",
        ),
        (
            Problem::Overloaded,
            503,
            "The router has too many requests to answer: ask again later.",
        ),
        (
            Problem::AnswerTimeout,
            504,
            "The task has not answered in time.",
        ),
    ] {
        let answer = page(&problem, &[]);
        assert_eq!(answer.status.as_u16(), status, "{problem:?}");
        let second = answer.body.lines().nth(1);
        assert_eq!(second, Some(sentence), "{problem:?}");
        assert_eq!(answer.headers.contains_key("allow"), status == 405);
        let later = answer.headers.contains_key("retry-after");
        assert_eq!(later, problem == Problem::Overloaded);
    }
}

#[test]
fn who_is_not_known_is_asked_for_name_and_password() {
    let answer = page(&Problem::Unauthorized { realm: "shop" }, &[]);
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"shop\"");
}

#[test]
fn elsewhere_is_the_same_path_and_query_of_another_url() {
    let to = |base, path, query| {
        let answer = elsewhere(base, &NormalPath::of(path).unwrap(), query)?;
        assert_eq!(answer.status, StatusCode::FOUND);
        Some(answer.headers["location"].to_str().unwrap().to_owned())
    };
    let url = |text: &str| Some(text.to_owned());
    assert_eq!(to("http://b", "/", None), url("http://b/"));
    assert_eq!(
        to("http://b/x", "/a%2Fb", Some("")),
        url("http://b/x/a%2Fb?")
    );
    assert_eq!(
        to("https://b:1", "//evil", Some("q=1")),
        url("https://b:1//evil?q=1")
    );
    assert_eq!(to("http://b\n", "/", None), None);
}

#[test]
fn a_redirect_to_a_scheme_keeps_the_rest_and_the_method() {
    let to = |redirect: &str, method: Method, host: &str| {
        let redirect = Redirect {
            https: redirect.starts_with("https"),
            port: redirect.split(':').nth(1).map(|port| port.parse().unwrap()),
            permanent: method == Method::PUT,
        };
        let host = Host::of(host).unwrap();
        let path = NormalPath::of("/a").unwrap();
        let from_other = to_scheme(&redirect, !redirect.https, &method, &host, &path, Some("b"));
        let from_this = to_scheme(&redirect, redirect.https, &method, &host, &path, Some("b"));
        assert_eq!(from_this, None);
        let answer = from_other.unwrap();
        let location = answer.headers["location"].to_str().unwrap();
        format!("{} {location}", answer.status.as_u16())
    };
    assert_eq!(
        to("https", Method::GET, "A.example:80"),
        "302 https://a.example/a?b"
    );
    assert_eq!(to("https:443", Method::HEAD, "a"), "302 https://a/a?b");
    assert_eq!(
        to("https:8443", Method::POST, "a"),
        "307 https://a:8443/a?b"
    );
    assert_eq!(to("http", Method::PUT, "[::1]"), "308 http://[::1]/a?b");
    let permanent = Redirect {
        https: true,
        port: None,
        permanent: true,
    };
    let (host, path) = (Host::of("a").unwrap(), NormalPath::root());
    let answer = to_scheme(&permanent, false, &Method::GET, &host, &path, None).unwrap();
    assert_eq!(answer.status.as_u16(), 301);
}
