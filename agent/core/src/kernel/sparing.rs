//! Operations that the kernel refused are not tried again before their time.
//!
//! What fails once mostly fails for good: a map is full, a port is somebody else's. To try it
//! in each pass would mean to read the whole kernel each time, as nobody knows what an operation that
//! failed has left there.

use super::{ApplyError, Kernel, ObserveError};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{Debug, Display};

/// The operations that were refused, each with why.
#[derive(Clone, Debug, Default)]
pub struct Refused(BTreeMap<String, String>);

impl Refused {
    /// All of them are tried again.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

/// A kernel that is spared what it has refused: such an operation fails as it did before.
#[derive(Debug)]
pub struct Sparing<'a, K: Kernel> {
    kernel: &'a mut K,
    refused: &'a mut Refused,
    /// The operations that succeeded.
    pub done: Vec<K::Op>,
    /// Was an operation refused that had not been?
    pub refused_anew: bool,
}

impl<'a, K: Kernel> Sparing<'a, K> {
    /// Spares `kernel` what is in `refused`, and adds to it.
    pub fn new(kernel: &'a mut K, refused: &'a mut Refused) -> Self {
        Self {
            kernel,
            refused,
            done: Vec::new(),
            refused_anew: false,
        }
    }
}

impl<K> Kernel for Sparing<'_, K>
where
    K: Kernel,
    K::Op: Clone + Debug + Display,
{
    type State = K::State;
    type Op = K::Op;

    fn observe(&mut self) -> Result<K::State, ObserveError> {
        self.kernel.observe()
    }

    fn apply(&mut self, op: &K::Op) -> Result<(), ApplyError<K::Op>> {
        // Most passes refuse nothing, and then nothing is formatted.
        let known = if self.refused.0.is_empty() {
            None
        } else {
            self.refused.0.get(&format!("{op:?}"))
        };
        if let Some(why) = known {
            return Err(ApplyError {
                op: op.clone(),
                source: why.clone().into(),
            });
        }
        match self.kernel.apply(op) {
            Ok(()) => {
                self.done.push(op.clone());
                Ok(())
            }
            Err(error) => {
                let why = chain(&*error.source);
                self.refused_anew = true;
                self.refused.0.insert(format!("{op:?}"), why.clone());
                // The words are the same now and later.
                Err(ApplyError {
                    source: why.into(),
                    ..error
                })
            }
        }
    }
}

/// An error with all its causes, as people read it.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        words = format!("{words}: {cause}");
        next = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::ebpf::{Op, State};
    use crate::kernel::fake::FakeKernel;
    use crate::model::ids::Key;

    /// A kernel that refuses everything, with an error that has a cause.
    struct Full;

    #[derive(Debug, thiserror::Error)]
    #[error("no service can be added")]
    struct Refusal(#[source] MapFull);

    #[derive(Debug, thiserror::Error)]
    #[error("the map is full")]
    struct MapFull;

    impl Kernel for Full {
        type State = ();
        type Op = Op;

        fn observe(&mut self) -> Result<(), ObserveError> {
            Ok(())
        }

        fn apply(&mut self, op: &Op) -> Result<(), ApplyError<Op>> {
            Err(ApplyError {
                op: op.clone(),
                source: Box::new(Refusal(MapFull)),
            })
        }
    }

    #[test]
    fn a_refusal_is_told_with_all_its_causes_at_once_and_later() {
        let mut refused = Refused::default();
        for anew in [true, false] {
            let mut kernel = Full;
            let mut sparing = Sparing::new(&mut kernel, &mut refused);
            let error = sparing.apply(&Op::AddService(Key(1))).unwrap_err();
            let why = error.source.to_string();
            assert_eq!(why, "no service can be added: the map is full");
            assert!(error.source.source().is_none(), "all is said");
            assert_eq!(sparing.refused_anew, anew);
        }
    }

    #[test]
    fn what_was_refused_is_not_tried_again_before_its_time() {
        let mut kernel = FakeKernel::of(State::default());
        kernel.faults.insert(0);
        let mut refused = Refused::default();
        let (first, second) = (Op::AddService(Key(1)), Op::AddService(Key(2)));
        let turn = |kernel: &mut FakeKernel<Op>, refused: &mut Refused| {
            let mut sparing = Sparing::new(kernel, refused);
            let failed =
                [&first, &second].map(|op| sparing.apply(op).map_err(|e| e.source.to_string()));
            (failed, sparing.done.len(), sparing.refused_anew)
        };
        let why = Err("told to fail".to_owned());
        assert_eq!(
            turn(&mut kernel, &mut refused),
            ([why.clone(), Ok(())], 1, true)
        );
        // The next call would succeed, but is not made.
        assert_eq!(turn(&mut kernel, &mut refused), ([why, Ok(())], 1, false));
        assert_eq!(kernel.observe().unwrap().services.iter().count(), 1);
        refused.forget();
        assert_eq!(
            turn(&mut kernel, &mut refused),
            ([Ok(()), Ok(())], 2, false)
        );
        assert_eq!(kernel.observe().unwrap().services.iter().count(), 2);
    }
}
