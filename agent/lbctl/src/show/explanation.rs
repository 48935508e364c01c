//! `lbctl explain`: the agent's sentences, one per line.

use crate::out::harmless;
use lb_core::report::{Explanation, RequestExplanation};

pub(crate) fn text(explanation: &Explanation) -> String {
    lines(&explanation.sentences)
}

/// Of a request.
pub(crate) fn request(explanation: &RequestExplanation) -> String {
    lines(&explanation.sentences)
}

fn lines(sentences: &[String]) -> String {
    let sentences = sentences.iter();
    sentences
        .map(|sentence| format!("{}\n", harmless(sentence)))
        .collect()
}
