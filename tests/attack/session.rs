//! A session with a manager's agent as a node holds it, by the node's own certificate and key, but with
//! whatever bytes for messages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::{Buf as _, BufMut as _, Bytes};
use harness::netns::Netns;
use harness::node::Node;
use harness::slow;
use harness::swarm::Swarm;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder, Streaming};
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use crate::messages;
use crate::tunnel::PORT;

/// Where the Swarm keeps a node's certificate and key.
const CERTIFICATES: &str = "/var/lib/docker/swarm/certificates";
/// Enough for any answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than a message takes.
const HEARD: Duration = Duration::from_millis(1500);

/// An attacker who has taken over a worker: its files, its address, its network.
#[derive(Clone)]
pub(crate) struct Fallen {
    /// The node's id.
    pub(crate) id: String,
    netns: Netns,
    identity: Arc<ClientConfig>,
    manager: SocketAddr,
}

/// A session; it ends when dropped.
pub(crate) struct Session {
    up: mpsc::Sender<Bytes>,
    down: Streaming<Bytes>,
}

impl Fallen {
    pub(crate) fn node(swarm: &Swarm, node: &Node) -> Result<Self> {
        let info = node.api("/info")?;
        let id = info.pointer("/Swarm/NodeID").and_then(|id| id.as_str());
        let identity = agent::certs::load(&node.path(CERTIFICATES)?)?;
        Ok(Self {
            id: id.context("a node without an id")?.to_owned(),
            netns: node.netns.clone(),
            identity: identity.client(),
            manager: (swarm.manager()?.addr, PORT).into(),
        })
    }

    /// Drives a future whose connections come from the node.
    pub(crate) fn block_on<T: Send>(
        &self,
        future: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.netns.block_on(future)
    }

    /// Connects, and begins a session.
    pub(crate) async fn enters(&self) -> Result<Session> {
        let enter = self.try_to_enter();
        tokio::time::timeout(slow::longer(PATIENCE), enter)
            .await
            .context("the manager's agent does not answer")?
    }

    async fn try_to_enter(&self) -> Result<Session> {
        let tcp = TcpStream::connect(self.manager).await?;
        let name = ServerName::try_from("swarm-manager")?;
        let tls = TlsConnector::from(self.identity.clone())
            .connect(name, tcp)
            .await?;
        let mut stream = Some(TokioIo::new(tls));
        // The one connection; there is no other to go on with.
        let connector = tower::service_fn(move |_| {
            let stream = stream.take();
            async move { stream.ok_or_else(|| std::io::Error::other("broken")) }
        });
        let channel = Endpoint::from_static("http://swarm-manager")
            .connect_with_connector(connector)
            .await?;
        let mut client = Grpc::new(channel);
        client.ready().await?;
        let (up, messages) = mpsc::channel(16);
        let request = Request::new(ReceiverStream::new(messages));
        let path = "/swarmlb.sync.v1.Sync/Session".try_into()?;
        let answer = client.streaming(request, path, Raw).await?;
        Ok(Session {
            up,
            down: answer.into_inner(),
        })
    }
}

impl Session {
    /// Says something. An error once the manager's agent has ended the session.
    pub(crate) async fn says(&self, message: Bytes) -> Result<()> {
        let sent = self.up.send(message).await;
        sent.context("the session is over")
    }

    /// The next message of the manager's agent.
    pub(crate) async fn hears(&mut self) -> Result<Bytes> {
        let message = tokio::time::timeout(slow::longer(PATIENCE), self.down.message());
        match message.await.context("the manager's agent is silent")?? {
            Some(message) => Ok(message),
            None => bail!("the manager's agent ended the session"),
        }
    }
}

impl Session {
    /// Waits until what was said so far must have been heard: heartbeats come each second, and the
    /// first ones at once.
    pub(crate) async fn is_heard(&mut self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < slow::longer(HEARD) {
            self.says(messages::alive()).await?;
            self.hears().await?;
        }
        Ok(())
    }
}

/// Messages as bytes.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
