//! A client that writes bytes, and reads answers of HTTP/1.1.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// A connection to the router.
pub(crate) struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its fields, names in small letters.
    pub(crate) fields: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: String,
}

impl Answer {
    /// The values of a field.
    pub(crate) fn field(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(field, _)| field == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The task that answered.
    pub(crate) fn task(&self) -> u64 {
        let lines = self
            .body
            .strip_prefix("task ")
            .unwrap_or_else(|| panic!("{self:?}"));
        lines.lines().next().unwrap().parse().unwrap()
    }

    /// The values that a task saw of a field.
    pub(crate) fn seen(&self, name: &str) -> Vec<&str> {
        let head = self.body.split("\n\n").next().unwrap();
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        fields
            .filter(|(field, _)| *field == name)
            .map(|(_, value)| value)
            .collect()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self {
            stream: BufReader::new(Box::new(tcp(address))),
        }
    }

    /// From an address of the loopback network.
    pub(crate) fn connect_from(from: Ipv4Addr, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from((from, 0))).unwrap();
            socket.connect(address).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        Self {
            stream: BufReader::new(Box::new(patient(stream))),
        }
    }

    /// By TLS under a name, trusting one certificate.
    pub(crate) fn connect_tls(address: SocketAddr, trusted: &str, name: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap();
        roots.add(trusted).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        Self {
            stream: BufReader::new(Box::new(StreamOwned::new(tls, tcp(address)))),
        }
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &str) {
        self.stream.get_mut().write_all(bytes.as_bytes()).unwrap();
    }

    /// Sends a request, and reads its answer.
    pub(crate) fn ask(&mut self, bytes: &str) -> Answer {
        self.send(bytes);
        self.answer().unwrap()
    }

    /// Asks for a path of a host.
    pub(crate) fn get(&mut self, host: &str, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    /// The next answer; `None` if the router has closed the connection.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut fields = Vec::new();
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            fields.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status,
            fields,
            body: String::new(),
        };
        if status == 101 {
            return Some(answer);
        }
        answer.body = match answer.field("content-length").first() {
            Some(length) => self.bytes(length.parse().unwrap()),
            None if answer.field("transfer-encoding") == ["chunked"] => self.chunks(),
            None => String::new(),
        };
        Some(answer)
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn chunks(&mut self) -> String {
        let mut body = String::new();
        loop {
            let length = usize::from_str_radix(&self.line().unwrap(), 16).unwrap();
            body += &self.bytes(length);
            assert_eq!(self.line().unwrap(), "");
            if length == 0 {
                return body;
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn tcp(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).unwrap())
}

/// Waits for 10 s for what comes.
fn patient(stream: TcpStream) -> TcpStream {
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
}

/// Asks for a path of a host on a connection of its own.
pub(crate) fn ask(address: SocketAddr, host: &str, path: &str) -> Answer {
    Client::connect(address).get(host, path)
}
