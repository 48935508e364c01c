//! The list of virtual services, which the kernel gets wrong while servers come and go.
//!
//! It tells a long list in parts, and finds the next part by counting servers: those of all
//! network namespaces. One that goes anywhere may hide another here, one that comes lets another
//! be told twice. Asked for a single one, the kernel is right: so those that were seen before, or
//! made here, are looked for if they are not in the list.

use super::message::{Command, SERVICE};
use super::{Error, Ipvs, Service, ServiceId, Stats, Step, several};
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};

/// So many virtual services fit into the smallest first part, in which none is hidden.
const ONE_PART: usize = 8;
/// How many times a longer list is requested, as long as none was seen before.
const FIRST_LISTINGS: usize = 4;

/// The virtual services that were there when last looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    ids: BTreeSet<ServiceId>,
    /// Was there a list?
    listed: bool,
}

impl Seen {
    /// This one is there.
    pub(super) fn there(&mut self, id: ServiceId) {
        self.ids.insert(id);
    }

    /// This one is not.
    pub(super) fn gone(&mut self, id: &ServiceId) {
        self.ids.remove(id);
    }
}

type Listed = BTreeMap<ServiceId, (Service, Stats)>;

impl Ipvs {
    /// All virtual services, by their names. Those that [`ServiceId`] can't name (of an unknown
    /// family) are left out. While servers come and go in this network namespace or in others,
    /// one may be left out that was neither made nor listed before by this value.
    ///
    /// # Errors
    /// When the kernel refuses, or can't be understood.
    pub fn services(&mut self) -> Result<Vec<(Service, Stats)>, Error> {
        let mut now = self.listed()?;
        if !self.seen.listed && now.len() > ONE_PART {
            for _ in 1..FIRST_LISTINGS {
                now = self.listed()?;
            }
        }
        self.seen.listed = true;
        let hidden = |id: &&ServiceId| !now.contains_key(id);
        let missing: Vec<_> = self.seen.ids.iter().filter(hidden).copied().collect();
        for id in missing {
            match self.service(&id)? {
                Some(one) => drop(now.insert(id, one)),
                None => self.seen.gone(&id),
            }
        }
        Ok(now.into_values().collect())
    }

    /// The virtual services as the kernel lists them.
    fn listed(&mut self) -> Result<Listed, Error> {
        let answer = self.dump(Step::Services, Command::GetService, vec![])?;
        let all = several(Step::Services, &answer, SERVICE, Service::parse)?;
        let all: Listed = all.into_iter().map(|one| (one.0.id, one)).collect();
        self.seen.ids.extend(all.keys().copied());
        Ok(all)
    }

    /// One virtual service, if it is there.
    ///
    /// # Errors
    /// When the kernel refuses, or can't be understood.
    pub fn service(&mut self, id: &ServiceId) -> Result<Option<(Service, Stats)>, Error> {
        let step = Step::Service(*id);
        match self.request(step, Command::GetService, vec![id.attribute()]) {
            Ok(answer) => Ok(several(step, &answer, SERVICE, Service::parse)?.pop()),
            Err(error) if error.refused() == Some(Errno::ESRCH) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
