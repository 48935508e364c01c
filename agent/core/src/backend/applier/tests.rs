//! One test for every back end: registered by a line below.

use super::*;
use crate::backend::ebpf::{self, Ebpf};
use crate::backend::ipvs::Ipvs;
use crate::backend::{TaskAddressFamily, strategies};
use crate::desired::{self, Frontend, Locality, Service};
use crate::kernel::fake::FakeKernel;
use crate::model::ids::Key;
use crate::model::port::Proto;
use crate::testing;
use crate::testing::plain::{self, Plain};
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

/// A published port with a task.
fn served() -> Desired {
    let backend = desired::Backend {
        address: [172, 18, 0, 3].into(),
        locality: Locality::Local { bridge: None },
        active: true,
    };
    let service = Service {
        frontends: vec![Frontend {
            published: 8080,
            proto: Proto::Tcp,
            target: 80,
            barred: false,
        }],
        backends: [(Key(1), backend)].into(),
        ..Service::default()
    };
    Desired {
        host: Some(testing::host([10, 0, 0, 1].into()).into()),
        services: [(Key(9), service.into())].into(),
        ..Desired::default()
    }
}

#[test]
fn each_refused_operation_is_told_unless_its_back_end_says_that_they_fail_for_one_reason() {
    let mut kernel = FakeKernel::<plain::Op>::of(plain::State::default());
    let mut applier = Applier::new(Plain::default());
    let mut desired = served();
    let mut second = desired.services[&Key(9)].as_ref().clone();
    second.backends = [(Key(2), second.backends[&Key(1)])].into();
    second.frontends.clear();
    desired.services.insert(Key(10), second.into());
    kernel.faults = [0, 1].into();
    let applied = pass(&mut applier, &mut kernel, &desired).unwrap();
    assert_eq!((applied.errors.len(), applied.in_sync), (2, false));

    // All on the root cgroup, which one missing right refuses: the services are served.
    let mut kernel = FakeKernel::<ebpf::Op>::of(ebpf::State::default());
    let mut applier = Applier::new(Ebpf::default());
    let ops = applier
        .plan(&mut kernel, &served(), Prune::Allowed)
        .unwrap();
    let hooks = ops
        .iter()
        .enumerate()
        .filter(|(_, op)| op.cause().is_some());
    kernel.faults = hooks.map(|(at, _)| at).collect();
    assert_eq!(kernel.faults.len(), 8);
    let applied = applier.execute(&mut kernel, &ops).unwrap();
    assert_eq!((applied.errors.len(), applied.in_sync), (1, true));
}

#[test]
fn a_table_that_another_program_changed_is_replaced_and_not_written_to_while_it_is_in_use() {
    let mut kernel = FakeKernel::<ebpf::Op>::of(ebpf::State::default());
    let mut applier = Applier::new(Ebpf::default());
    pass(&mut applier, &mut kernel, &served()).unwrap();
    let known: Vec<(Number, Serving)> = applier.serving().into_iter().collect();
    let serving = Serving {
        service: Key(9),
        target: 80,
        has_tasks: true,
    };
    assert_eq!(known, [((8080, Proto::Tcp), serving)]);
    let (in_use, _) = kernel.state.tables.iter().next().unwrap();
    let in_use = *in_use;
    kernel.state.tables.insert(in_use, vec![Key(77)]);
    applier.observe(&mut kernel).unwrap();
    let ops = applier
        .plan(&mut kernel, &served(), Prune::Allowed)
        .unwrap();
    let put = ops.iter().filter_map(|op| match op {
        ebpf::Op::PutTable(table, tasks) => Some((*table, tasks.clone())),
        _ => None,
    });
    let put: Vec<_> = put.collect();
    assert_eq!(put, [(in_use + 1, vec![Key(1)])]);
}

/// A kernel that counts how often it is read.
struct Counting {
    kernel: FakeKernel<plain::Op>,
    reads: usize,
}

impl Kernel for Counting {
    type State = plain::State;
    type Op = plain::Op;

    fn observe(&mut self) -> Result<plain::State, ObserveError> {
        self.reads += 1;
        self.kernel.observe()
    }

    fn apply(&mut self, op: &plain::Op) -> Result<(), ApplyError<plain::Op>> {
        self.kernel.apply(op)
    }
}

#[test]
fn the_kernel_is_read_at_first_and_whenever_it_has_refused_something_anew() {
    let mut kernel = Counting {
        kernel: FakeKernel::of(plain::State::default()),
        reads: 0,
    };
    kernel.kernel.faults = [0].into();
    let mut applier = Applier::new(Plain::default());
    // Refused anew, known to be refused, and tried again.
    for (retry, in_sync, reads) in [(false, false, 2), (false, false, 2), (true, true, 2)] {
        if retry {
            applier.retry_refused();
        }
        let ops = applier
            .plan(&mut kernel, &served(), Prune::Allowed)
            .unwrap();
        let applied = applier.execute(&mut kernel, &ops).unwrap();
        assert_eq!((applied.in_sync, kernel.reads), (in_sync, reads));
        assert_eq!(applier.have(), Some(&kernel.kernel.state));
    }
}
