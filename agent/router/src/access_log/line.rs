//! One line. What is known of the request is written when it comes, and the rest when the exchange has ended, so that
//! nothing is kept beside the line itself.
//!
//! Whatever a client or a task says stands between quotation marks, in ASCII that prints: no line is begun by it, and no
//! terminal obeys it.

use super::{Format, time};
use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

/// Bytes of a text of a client that are logged, before they are escaped.
const TEXT: usize = 1_024;
/// Room of a line that most need.
const ROOM: usize = 768;

/// What is known of an exchange when its request comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Now.
    pub(crate) time: SystemTime,
    /// The request's id.
    pub(crate) id: &'a str,
    /// The client's address, as it is behind trusted proxies.
    pub(crate) client: IpAddr,
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
    /// The port that it came to.
    pub(crate) port: u16,
    /// `http` or `https`.
    pub(crate) entry_point: &'static str,
    /// Version of TLS, and the name that was asked for in it.
    pub(crate) tls: Option<(&'static str, &'a str)>,
    /// Version of HTTP.
    pub(crate) protocol: &'static str,
    /// Method.
    pub(crate) method: &'a str,
    /// The host that it is for.
    pub(crate) host: &'a [u8],
    /// The path, without the query, which may have secrets.
    pub(crate) path: &'a [u8],
    /// The query, where it is logged.
    pub(crate) query: Option<&'a str>,
    /// `User-Agent`.
    pub(crate) user_agent: Option<&'a [u8]>,
    /// `Referer`, without its query.
    pub(crate) referer: Option<&'a [u8]>,
}

/// What is known when it has ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended<'a> {
    /// Status of the answer.
    pub(crate) status: u16,
    /// Bytes of the request's body.
    pub(crate) bytes_in: u64,
    /// Bytes of the answer's body.
    pub(crate) bytes_out: u64,
    /// From the request to the end of the answer.
    pub(crate) took: Duration,
    /// From the request to the head of the answer.
    pub(crate) head: Option<Duration>,
    /// Tasks that were tried.
    pub(crate) tries: u32,
    /// Names of service and route.
    pub(crate) route: Option<(&'a str, &'a str)>,
    /// Id of the task, and its node.
    pub(crate) task: Option<(&'a str, &'a str)>,
    /// The connection to the task had borne an exchange before.
    pub(crate) reused: bool,
    /// Why another task was tried.
    pub(crate) retried_because: Option<&'static str>,
    /// Why there is no answer of a task, or not all of it.
    pub(crate) error: Option<&'static str>,
}

/// A line that is being made.
#[derive(Debug)]
pub(crate) struct Line {
    format: Format,
    text: String,
    /// Where the status goes, in the common format.
    status_at: usize,
}

impl Line {
    /// Begins a line.
    pub(crate) fn begin(format: Format, asked: &Asked<'_>) -> Self {
        let mut line = Self {
            format,
            text: String::with_capacity(ROOM),
            status_at: 0,
        };
        // Nothing fails that writes to a String.
        let _ = match format {
            Format::Common => line.begin_common(asked),
            Format::Json | Format::Off => line.begin_json(asked),
        };
        line
    }

    /// The whole line.
    pub(crate) fn end(mut self, ended: &Ended<'_>) -> String {
        let _ = match self.format {
            Format::Common => self.end_common(ended),
            Format::Json | Format::Off => self.end_json(ended),
        };
        self.text
    }

    fn begin_json(&mut self, asked: &Asked<'_>) -> fmt::Result {
        let text = &mut self.text;
        text.push_str("{\"time\":\"");
        time::rfc3339(text, asked.time)?;
        text.push('"');
        quoted(text, "id", asked.id.as_bytes())?;
        write!(
            text,
            ",\"client\":\"{}\",\"flow\":\"{}>{}\"",
            asked.client, asked.peer, asked.port
        )?;
        write!(text, ",\"entry_point\":\"{}\"", asked.entry_point)?;
        write!(text, ",\"protocol\":\"{}\"", asked.protocol)?;
        if let Some((version, name)) = asked.tls {
            write!(text, ",\"tls\":\"{version}\"")?;
            quoted(text, "sni", name.as_bytes())?;
        }
        quoted(text, "host", asked.host)?;
        quoted(text, "method", asked.method.as_bytes())?;
        quoted(text, "path", asked.path)?;
        if let Some(query) = asked.query {
            quoted(text, "query", query.as_bytes())?;
        }
        if let Some(user_agent) = asked.user_agent {
            quoted(text, "user_agent", user_agent)?;
        }
        if let Some(referer) = asked.referer {
            quoted(text, "referer", without_query(referer))?;
        }
        Ok(())
    }

    fn end_json(&mut self, ended: &Ended<'_>) -> fmt::Result {
        let text = &mut self.text;
        write!(
            text,
            ",\"status\":{},\"bytes_in\":{},\"bytes_out\":{},\"ms\":",
            ended.status, ended.bytes_in, ended.bytes_out
        )?;
        milliseconds(text, ended.took)?;
        if let Some(head) = ended.head {
            text.push_str(",\"head_ms\":");
            milliseconds(text, head)?;
        }
        write!(text, ",\"tries\":{}", ended.tries)?;
        if let Some((service, route)) = ended.route {
            quoted(text, "service", service.as_bytes())?;
            quoted(text, "route", route.as_bytes())?;
        }
        if let Some((task, node)) = ended.task {
            quoted(text, "task", task.as_bytes())?;
            quoted(text, "node", node.as_bytes())?;
            write!(text, ",\"reused\":{}", ended.reused)?;
        }
        if let Some(reason) = ended.retried_because {
            write!(text, ",\"retried_because\":\"{reason}\"")?;
        }
        if let Some(error) = ended.error {
            write!(text, ",\"error\":\"{error}\"")?;
        }
        text.push_str("}\n");
        Ok(())
    }

    fn begin_common(&mut self, asked: &Asked<'_>) -> fmt::Result {
        let text = &mut self.text;
        write!(text, "{} - - [", asked.client)?;
        time::common(text, asked.time)?;
        text.push_str("] \"");
        escape(text, asked.method.as_bytes())?;
        text.push(' ');
        escape(text, asked.path)?;
        if let Some(query) = asked.query {
            text.push('?');
            escape(text, query.as_bytes())?;
        }
        write!(text, " {}\"", asked.protocol)?;
        self.status_at = text.len();
        text.push_str(" \"");
        escape(text, asked.referer.map_or(b"-", without_query))?;
        text.push_str("\" \"");
        escape(text, asked.user_agent.unwrap_or(b"-"))?;
        text.push_str("\" \"");
        escape(text, asked.host)?;
        text.push_str("\" ");
        escape(text, asked.id.as_bytes())
    }

    fn end_common(&mut self, ended: &Ended<'_>) -> fmt::Result {
        let text = &mut self.text;
        // Its place is before what was known earlier.
        let known = text.len();
        write!(text, " {} {}", ended.status, ended.bytes_out)?;
        let bytes = text.len() - known;
        // Behind ASCII that prints, so that any place is one between characters.
        let mut turned = std::mem::take(text).into_bytes();
        if let Some(rest) = turned.get_mut(self.status_at..) {
            rest.rotate_right(bytes);
        }
        *text = String::from_utf8(turned).unwrap_or_default();
        text.push_str(" \"");
        let (_, route) = ended.route.unwrap_or(("-", "-"));
        escape(text, route.as_bytes())?;
        text.push_str("\" \"");
        let (task, _) = ended.task.unwrap_or(("-", "-"));
        escape(text, task.as_bytes())?;
        writeln!(text, "\" {}ms", ended.took.as_millis())
    }
}

/// A field of an object of JSON that is not the first one.
fn quoted(text: &mut String, name: &str, value: &[u8]) -> fmt::Result {
    write!(text, ",\"{name}\":\"")?;
    escape(text, value)?;
    text.push('"');
    Ok(())
}

/// In ASCII that prints, as strings of JSON have it; bytes that are no UTF-8 become U+FFFD. Long texts are cut.
fn escape(text: &mut String, value: &[u8]) -> fmt::Result {
    let value = value.get(..TEXT).unwrap_or(value);
    let prints = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if value.iter().all(prints)
        && let Ok(value) = std::str::from_utf8(value)
    {
        text.push_str(value);
        return Ok(());
    }
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            '"' | '\\' => write!(text, "\\{character}")?,
            ' '..='~' => text.push(character),
            other => {
                let mut units = [0; 2];
                for unit in other.encode_utf16(&mut units) {
                    write!(text, "\\u{unit:04x}")?;
                }
            }
        }
    }
    Ok(())
}

/// A URL's query may have secrets, as that of the request may.
fn without_query(url: &[u8]) -> &[u8] {
    let end = url.iter().position(|byte| matches!(byte, b'?' | b'#'));
    end.and_then(|end| url.get(..end)).unwrap_or(url)
}

/// Milliseconds, to a microsecond.
fn milliseconds(text: &mut String, time: Duration) -> fmt::Result {
    write!(
        text,
        "{}.{:03}",
        time.as_millis(),
        time.subsec_micros() % 1_000
    )
}

#[cfg(test)]
mod tests;
