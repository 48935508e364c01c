//! `lbctl explain`: the agent's sentences, one per line.

use crate::out::harmless;
use lb_core::report::Explanation;

pub(crate) fn text(explanation: &Explanation) -> String {
    let sentences = explanation.sentences.iter();
    sentences
        .map(|sentence| format!("{}\n", harmless(sentence)))
        .collect()
}
