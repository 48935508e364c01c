//! One kind of packet at one program, measured round by round.

use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use lb_core::state::HookKind::{self, UplinkXdp};

use super::floor::Floor;
use super::node::{ELSEWHERE, Node};
use super::sent::{Sent, data};
use super::wrapped::{Level, Wrapped};

/// One kind of packet at one program.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) level: Level,
    node: Rc<Node>,
    wrapped: Wrapped,
    /// Packets per round, where it can't be as many as one likes.
    packets: Option<u32>,
    /// The program's return value, where it is the same for each packet.
    expected: Option<u32>,
    /// Packets that found a task, so far.
    taken: Box<dyn Fn() -> Result<u64>>,
    role: Role,
    before: Option<Before>,
    /// The share of packets that found a task, in the last round.
    found: Option<f64>,
    rounds: Vec<f64>,
}

/// Relation of a case to the floor: 2^n flows are compared with as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Not compared with it.
    Apart,
    /// The floor, with 2^n flows.
    Floor(u32),
    /// Known flows into the tunnel, 2^n of them.
    Compared(u32),
}

type Before = Box<dyn Fn(&Node) -> Result<()>>;

impl Case {
    /// So many packets a round at most, and something to be done before each.
    pub(super) fn each(self, packets: u32, before: impl Fn(&Node) -> Result<()> + 'static) -> Self {
        Self {
            packets: Some(packets),
            before: Some(Box::new(before)),
            ..self
        }
    }

    /// Known flows into the tunnel, 2^`bits` of them: to be given as a multiple of the floor, too.
    pub(super) fn compared(self, bits: u32) -> Self {
        Self {
            role: Role::Compared(bits),
            ..self
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Measures once more, by so many packets at most.
    pub(crate) fn round(&mut self, most: u32) -> Result<()> {
        let packets = self.packets.map_or(most, |packets| packets.min(most));
        self.node.enter();
        if let Some(before) = &self.before {
            before(&self.node)?;
        }
        // Where it does not matter it is not asked: reading takes as long as the round.
        let taken = match self.expected {
            Some(_) => 0,
            None => (self.taken)()?,
        };
        let ran = self.wrapped.run(packets)?;
        match self.expected {
            Some(code) => ensure!(
                ran.return_value == code,
                "the program returned {}, not {code}: this is not the way that was to be measured",
                ran.return_value
            ),
            None => {
                let found = (self.taken)()? - taken;
                #[expect(clippy::cast_precision_loss, reason = "some millions at most")]
                let share = found as f64 / f64::from(packets);
                self.found = Some(share);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of one packet")]
        self.rounds.push(ran.duration.as_nanos() as f64);
        Ok(())
    }

    /// Is it what the others are compared with?
    pub(crate) fn is_bare(&self) -> bool {
        self.name.starts_with("bare")
    }

    /// Nanoseconds in each round but the first, which brought everything into the caches.
    pub(crate) fn counted(&self) -> &[f64] {
        self.rounds.get(1..).unwrap_or_default()
    }

    pub(crate) fn note(&self) -> Result<String> {
        Ok(match self.found {
            Some(share) => format!("{:.0} % had a flow, the rest passes", share * 100.0),
            None => String::new(),
        })
    }
}

/// Makes cases of one node.
pub(super) struct Maker<'a> {
    pub(super) object: &'a [u8],
    pub(super) node: Rc<Node>,
}

impl Maker<'_> {
    pub(super) fn bare(self, name: &str, level: Level, code: u32) -> Result<Case> {
        let link = self.node.link(UplinkXdp);
        let sent = Sent::new(data(1, 1, ELSEWHERE), 16);
        let wrapped = Wrapped::new(self.object, level, None, link, sent.traffic)?;
        Ok(self.done(name, level, wrapped, Some(code)))
    }

    pub(super) fn case(
        self,
        name: &str,
        kind: HookKind,
        code: impl Into<Option<u32>>,
        sent: Sent,
    ) -> Result<Case> {
        let level = match kind {
            UplinkXdp => Level::Xdp,
            _ => Level::Tc,
        };
        let link = self.node.link(kind);
        let program = self.node.program(kind)?;
        let wrapped = Wrapped::new(self.object, level, Some(&program), link, sent.traffic)
            .with_context(|| name.to_owned())?;
        Ok(self.done(name, level, wrapped, code.into()))
    }

    /// The floor, with 2^`bits` flows.
    pub(super) fn floor(self, object: &[u8], bits: u32, code: Option<u32>) -> Result<Case> {
        let name = format!("floor, encapsulated: {}", flows(bits));
        let floor = Floor::new(object, bits).with_context(|| name.clone())?;
        let sent = Sent::new(data(1, 1, ELSEWHERE), bits);
        let link = self.node.link(UplinkXdp);
        let program = floor.program()?;
        let wrapped = Wrapped::new(self.object, Level::Xdp, Some(program), link, sent.traffic)?;
        Ok(Case {
            taken: Box::new(move || floor.taken()),
            role: Role::Floor(bits),
            ..self.done(&name, Level::Xdp, wrapped, code)
        })
    }

    fn done(self, name: &str, level: Level, wrapped: Wrapped, expected: Option<u32>) -> Case {
        let node = Rc::clone(&self.node);
        Case {
            name: name.to_owned(),
            level,
            node: self.node,
            wrapped,
            packets: None,
            expected,
            taken: Box::new(move || node.taken()),
            role: Role::Apart,
            before: None,
            found: None,
            rounds: Vec::new(),
        }
    }
}

/// So many flows, in words.
fn flows(bits: u32) -> String {
    match bits {
        0 => "1 flow".to_owned(),
        bits => format!("2^{bits} flows"),
    }
}
