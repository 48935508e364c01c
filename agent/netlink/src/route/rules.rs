//! The owner's rules of routing: listed, added and deleted.

use super::{Error, Operation, Routes, Rule};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

impl Routes {
    /// The owner's rules, by preference. Those that are not as [`Rule`] can say are left out.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn rules(&mut self) -> Result<Vec<Rule>, Error> {
        let mut question = RuleMessage::default();
        question.header.family = AddressFamily::Inet;
        let told = self.list("rules", &RouteNetlinkMessage::GetRule(question))?;
        let protocol = self.owner.protocol;
        let mut rules: Vec<Rule> = told
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewRule(message) => Rule::read(message, protocol),
                _ => None,
            })
            .collect();
        rules.sort_unstable();
        Ok(rules)
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// `EEXIST` if there is the same one, whoever made it.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), Error> {
        let message = RouteNetlinkMessage::NewRule(rule.message(self.owner.protocol));
        self.tell(message, NLM_F_CREATE | NLM_F_EXCL)
            .map_err(failed(rule, Operation::Added))
    }

    /// Deletes a rule of the owner's.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<(), Error> {
        self.tell(
            RouteNetlinkMessage::DelRule(rule.message(self.owner.protocol)),
            0,
        )
        .map_err(failed(rule, Operation::Deleted))
    }
}

fn failed(rule: &Rule, operation: Operation) -> impl FnOnce(crate::socket::Error) -> Error {
    let rule = rule.clone();
    move |source| Error::Rule {
        rule,
        operation,
        source,
    }
}
