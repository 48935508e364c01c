//! One test for every back end: registered by a line below.

use super::*;
use crate::backend::ebpf::Ebpf;
use crate::backend::ipvs::Ipvs;
use crate::backend::{TaskAddressFamily, strategies};
use crate::kernel::fake::FakeKernel;
use crate::testing::plain::Plain;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::fmt::Debug;

macro_rules! back_ends {
    ($($name:ident: $backend:expr;)*) => {
        proptest! {$(
            /// Whatever the kernel refuses on the way: what is known of it is what it holds, and once it refuses
            /// nothing more, it holds what is wanted.
            #[test]
            fn $name(steps in vec((strategies::desired(), btree_set(0usize..40, 0..4)), 1..4)) {
                converges($backend, steps)?;
            }
        )*}
    };
}

back_ends! {
    ebpf_converges: Ebpf::default();
    ebpf_without_ipv6_converges: Ebpf::new(TaskAddressFamily::Ipv4);
    ipvs_converges: Ipvs::default();
    a_back_end_of_a_test_converges: Plain::default();
}

fn converges<B>(backend: B, steps: Vec<(Desired, BTreeSet<usize>)>) -> Result<(), TestCaseError>
where
    B: Backend<State: Clone + Debug + Default + PartialEq>,
{
    let mut kernel = FakeKernel::<B::Op>::of(B::State::default());
    let mut applier = Applier::new(backend);
    for (desired, faults) in steps {
        kernel.faults = faults
            .iter()
            .map(|fault| fault + kernel.calls.len())
            .collect();
        applier.retry_refused();
        let first = pass(&mut applier, &mut kernel, &desired)?;
        // Where only optional operations failed, each pass tries them again: nobody has to look what they left.
        if first.errors.is_empty() || !first.in_sync {
            prop_assert_eq!(applier.have(), Some(&kernel.observe().unwrap()));
        }
        if !first.in_sync {
            let before = kernel.calls.len();
            pass(&mut applier, &mut kernel, &desired)?;
            let asked: Vec<String> = kernel.calls[before..]
                .iter()
                .map(|op| format!("{op:?}"))
                .collect();
            for error in &first.errors {
                let refused = format!("{:?}", error.op);
                prop_assert!(!asked.contains(&refused), "{refused} was tried again");
            }
        }
        kernel.faults.clear();
        applier.retry_refused();
        let last = pass(&mut applier, &mut kernel, &desired)?;
        prop_assert!(last.in_sync && last.errors.is_empty(), "{last:?}");
        prop_assert_eq!(&kernel.observe().unwrap(), applier.backend().want());
        let plan = applier.plan(&mut kernel, &desired, Prune::Allowed).unwrap();
        prop_assert!(plan.is_empty(), "{plan:?}");
    }
    Ok(())
}

/// One reconcile pass.
fn pass<B: Backend<State: Clone>>(
    applier: &mut Applier<B>,
    kernel: &mut FakeKernel<B::Op>,
    desired: &Desired,
) -> Result<Applied<B::Op>, TestCaseError> {
    let ops = applier.plan(kernel, desired, Prune::Allowed).unwrap();
    Ok(applier.execute(kernel, &ops).unwrap())
}
