//! Arguments of `lbctl explain`: a client and a published port, or a URL.

use crate::failure::Failure;
use clap::Args;
use lb_core::explain::{ClientQuery, FrontendQuery, QuestionError, RequestQuery};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The client's IPv4 address, and its port if you know it; or the URL of a request.
    #[arg(value_name = "CLIENT[:PORT]|URL", value_parser = subject)]
    subject: Subject,

    /// What the client calls: address or host name of the node, and published port.
    #[arg(value_name = "NODE:PORT[/tcp|udp]")]
    frontend: Option<FrontendQuery>,

    /// The request's method [default: GET].
    #[arg(long, short = 'X', value_name = "METHOD")]
    method: Option<String>,

    /// A header field of the request; may be given again.
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,

    /// The address from which the request comes.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
}

/// What is asked about.
#[derive(Clone, Debug)]
enum Subject {
    Client(ClientQuery),
    Url(String),
}

/// What to ask the agent for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// About a packet.
    Packet(String),
    /// About a request.
    Request(String),
}

/// A client is written without `//`.
fn subject(text: &str) -> Result<Subject, QuestionError> {
    if text.contains("//") {
        return Ok(Subject::Url(text.to_owned()));
    }
    text.parse().map(Subject::Client)
}

impl ExplainArgs {
    /// What to ask the agent for.
    pub(crate) fn question(&self) -> Result<Question, Failure> {
        let wrong = |why: &str| Failure::Misunderstood(why.to_owned());
        match (&self.subject, &self.frontend) {
            (Subject::Client(client), Some(frontend)) => {
                if self.method.is_some() || self.client.is_some() || !self.header.is_empty() {
                    return Err(wrong(
                        "--method, --header and --client are for requests: give a URL in place of client and published port",
                    ));
                }
                let client = encoded(&client.to_string());
                let frontend = encoded(&frontend.to_string());
                let path = format!("/v1/explain?client={client}&frontend={frontend}");
                Ok(Question::Packet(path))
            }
            (Subject::Client(client), None) => Err(Failure::Misunderstood(format!(
                "say what {client} calls: a node and a published port, as in alpha:8080"
            ))),
            (Subject::Url(_), Some(_)) => Err(wrong(
                "a URL says what is called: leave out the published port, and give the client by --client",
            )),
            (Subject::Url(url), None) => self.request(url),
        }
    }

    fn request(&self, url: &str) -> Result<Question, Failure> {
        let headers = || self.header.iter().map(String::as_str);
        let (method, client) = (self.method.as_deref(), self.client.as_deref());
        RequestQuery::new(url, method, headers(), client)
            .map_err(|error| Failure::Misunderstood(error.to_string()))?;
        let mut path = format!("/v1/explain-request?url={}", encoded(url));
        let given = [("method", method), ("client", client)];
        let given = given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let headers = headers().map(|header| ("header", header));
        for (name, value) in given.chain(headers) {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
        Ok(Question::Request(path))
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(subject_text: &str, frontend: Option<&str>) -> ExplainArgs {
        ExplainArgs {
            subject: subject(subject_text).unwrap(),
            frontend: frontend.map(|frontend| frontend.parse().unwrap()),
            method: None,
            header: Vec::new(),
            client: None,
        }
    }

    #[test]
    fn questions_are_asked_as_they_were_understood() {
        let packet = asked("203.0.113.7", Some("a&client=b:53/udp"));
        let path = "/v1/explain?client=203%2E0%2E113%2E7&frontend=a%26client%3Db%3A53%2Fudp";
        assert_eq!(
            packet.question().unwrap(),
            Question::Packet(path.to_owned())
        );
        let request = ExplainArgs {
            method: Some("POST".to_owned()),
            header: vec!["A: b&c".to_owned(), "A: d".to_owned()],
            client: Some("::1".to_owned()),
            ..asked("http://a/?x&method=PUT", None)
        };
        let path = "/v1/explain-request?url=http%3A%2F%2Fa%2F%3Fx%26method%3DPUT&method=POST&client=%3A%3A1\
                    &header=A%3A%20b%26c&header=A%3A%20d";
        assert_eq!(
            request.question().unwrap(),
            Question::Request(path.to_owned())
        );
    }
}
