//! The HTTP router in the demo: two services share ports 80 and 443 of every node, and are told apart by their hosts.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::answers::{self, Answer, Routed};
use super::{MANAGER, NODES, PATIENCE, address, create, deploy_stack, exists, lbctl, on, running};
use crate::image;
use crate::process::{read, run, say};

/// The service of the routers in the stack `lb`.
pub(super) const ROUTERS: &str = "lb_router";
/// The service that is asked by TLS, too.
const SHOP: Site = Site {
    service: "shop",
    host: "shop.demo.test",
};
const DOCS: Site = Site {
    service: "docs",
    host: "docs.demo.test",
};
/// Tasks of each service.
const REPLICAS: usize = 2;
/// The node that is called. No task of the two services runs there.
const CALLED: &str = "node3";
/// Requests for each URL.
const REQUESTS: usize = 4;
/// Names of the secrets, and of the files that they are made of.
const CERTIFICATE: &str = "shop.crt";
const KEY: &str = "shop.key";
/// Directory of these files on the manager. Its `/run` is in memory, and goes with the laboratory.
const FILES: &str = "/run/demo";
/// Lines of `lbctl explain` that are shown.
const EXPLAINED: usize = 6;

/// A service, and the host that its requests ask for.
struct Site {
    service: &'static str,
    host: &'static str,
}

/// The router beside the agent on every node, two services that publish no port, and a certificate for one of them.
pub(super) fn deploy() -> Result<()> {
    if !exists("service", ROUTERS) {
        say(
            "\nDeploying the HTTP router: docker stack deploy -c deploy/stack.yml -c deploy/router.yml lb",
        );
        deploy_stack(&["deploy/stack.yml", "deploy/router.yml"])?;
    }
    // A router starts when its node's agent has been replaced by one that has the router switched on.
    running(ROUTERS, NODES.len())?;
    for Site { service, host } in [SHOP, DOCS] {
        let options = format!(
            "--label com.docker.lb.hosts={host} --label com.docker.lb.port=80 --replicas {REPLICAS} \
             --constraint node.hostname!={CALLED}"
        );
        create(service, &options, REPLICAS)?;
    }
    certify()
}

/// Gives the routers a certificate for the shop, as docs/router.md says, unless they have it.
fn certify() -> Result<()> {
    let make = "umask 077; mkdir -p \"$0\" && cd \"$0\" || exit; [ -e \"$2\" ] || \
                openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
                -subj \"/CN=$1\" -addext \"subjectAltName=DNS:$1\" -keyout \"$3\" -out \"$2\"";
    let make = ["sh", "-c", make, FILES, SHOP.host, CERTIFICATE, KEY];
    read(&mut on(MANAGER, &make))?;
    for name in [CERTIFICATE, KEY] {
        if !exists("secret", name) {
            let file = format!("{FILES}/{name}");
            read(&mut on(
                MANAGER,
                &["docker", "secret", "create", name, &file],
            ))?;
        }
    }
    let names = "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}} {{end}}";
    let names = ["docker", "service", "inspect", "--format", names, ROUTERS];
    let names = read(&mut on(MANAGER, &names))?;
    if names.split_whitespace().any(|name| name == CERTIFICATE) {
        return Ok(());
    }
    let add = format!("--secret-add {CERTIFICATE} --secret-add {KEY} {ROUTERS}");
    say(format_args!(
        "Giving the routers a certificate: docker service update {add}"
    ));
    // Not detached: it returns when all routers have been replaced. One without the certificate would refuse TLS.
    let update = format!("docker service update --quiet --no-resolve-image {add}");
    let update: Vec<&str> = update.split_whitespace().collect();
    read(&mut on(MANAGER, &update)).map(drop)
}

/// Asks for both hosts through one node, and shows who answered and why.
pub(super) fn show() -> Result<()> {
    let address = address(CALLED)?;
    let authority = authority()?;
    let requests = [
        Request::plain(&SHOP, &address),
        Request::plain(&DOCS, &address),
        Request::by_tls(&SHOP, &address, &authority),
    ];
    say(format_args!(
        "Asking {address} ({CALLED}) {REQUESTS} times for each URL from the client. The tasks run on other nodes."
    ));
    let mut seen = Vec::new();
    for request in requests {
        say(format_args!("curl {}", request.shown));
        let answers = request.answers()?;
        let Request { url, service, .. } = request;
        seen.push(Routed {
            url,
            service,
            answers,
        });
    }
    say(format_args!("\n{}", answers::routed_table(&seen)));

    say("What the routers know: docker exec AGENT lbctl routes");
    run(&mut lbctl("routes"))?;
    let explain = format!("explain https://{}/", SHOP.host);
    say(format_args!(
        "\nWhy the shop answers: docker exec AGENT lbctl {explain}"
    ));
    for line in read(&mut lbctl(&explain))?.lines().take(EXPLAINED) {
        say(line);
    }
    say("");
    answers::each_by_its_service(&seen)
}

/// The file of the certificate on this machine, where the client's curl can read it.
fn authority() -> Result<String> {
    let file = format!("{FILES}/{CERTIFICATE}");
    let certificate = read(&mut on(MANAGER, &["cat", &file]))?;
    let path = image::dist_dir().join("demo-shop.crt");
    fs::write(&path, certificate + "\n")
        .with_context(|| format!("cannot write {}", path.display()))?;
    let path = path
        .to_str()
        .context("the target directory's name is not UTF-8")?;
    Ok(path.to_owned())
}

/// A request of the client, for a URL of a service.
struct Request {
    url: String,
    service: &'static str,
    /// Arguments of curl.
    arguments: Vec<String>,
    /// The arguments as people would type them.
    shown: String,
}

impl Request {
    /// On port 80, where the header field `Host` alone says what is asked for.
    fn plain(site: &Site, address: &str) -> Self {
        let host = site.host;
        let field = format!("Host: {host}");
        let target = format!("http://{address}/");
        Self {
            url: format!("http://{host}/"),
            service: site.service,
            shown: format!("-H '{field}' {target}"),
            arguments: vec!["-H".to_owned(), field, target],
        }
    }

    /// On port 443, by a certificate that has to be valid for the host.
    fn by_tls(site: &Site, address: &str, authority: &str) -> Self {
        let host = site.host;
        let url = format!("https://{host}/");
        let resolve = format!("{host}:443:{address}");
        let arguments = [
            "--cacert",
            authority,
            "--resolve",
            resolve.as_str(),
            url.as_str(),
        ];
        Self {
            service: site.service,
            shown: format!("--cacert {CERTIFICATE} --resolve {resolve} {url}"),
            arguments: arguments.map(str::to_owned).into(),
            url,
        }
    }

    /// Waits for the first answer, then makes the requests that are shown.
    fn answers(&self) -> Result<Vec<Answer>> {
        let begin = Instant::now();
        // Tasks that have just started are routed a moment later.
        while let Err(error) = self.curl(1) {
            if begin.elapsed() > PATIENCE {
                return Err(error).with_context(|| format!("{} is not answered", self.url));
            }
            sleep(Duration::from_millis(250));
        }
        Answer::parse_all(&self.curl(REQUESTS)?)
    }

    /// What the tasks said to so many requests, each on a connection of its own.
    fn curl(&self, times: usize) -> Result<String> {
        let script = "for i in $(seq \"$0\"); do curl -fsS --max-time 5 \"$@\" || exit; done";
        let times = times.to_string();
        let mut command = vec!["sh", "-c", script, times.as_str()];
        command.extend(self.arguments.iter().map(String::as_str));
        read(&mut on("client", &command))
    }
}
