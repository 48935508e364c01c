//! Test: no program needs more stack than the oldest kernel gives it.
//!
//! A program and all that it calls have 512 bytes together; Linux 6.1 counts each function's in steps of 32
//! (`check_max_stack_depth` in the kernel's kernel/bpf/verifier.c), later ones in steps of 16. So programs that
//! load here may be refused there, by whoever has an older kernel.

use super::load::OBJECT;
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolIndex, SymbolKind};
use std::collections::BTreeMap;

/// `MAX_BPF_STACK` of include/linux/filter.h, and the step of Linux 6.1, in bytes.
const MOST: u32 = 512;
const STEP: u32 = 32;
/// A call of a function of the object's, and not of a helper.
const CALL: u8 = 0x85;
const OF_A_FUNCTION: u8 = 1;
/// The register that points to the end of a function's stack.
const FRAME: u8 = 10;

/// A function by its section and the offset in it.
type Place = (usize, u64);

/// What a function needs of the stack by itself, in bytes, and what it calls.
#[derive(Debug, Default)]
struct Function {
    name: String,
    frame: u32,
    calls: Vec<Place>,
}

/// One of BPF (Documentation/bpf/standardization/instruction-set.rst).
struct Instruction {
    code: u8,
    to: u8,
    from: u8,
    offset: i16,
    number: i32,
}

impl Instruction {
    fn of(bytes: &[u8]) -> Self {
        let [code, registers, o, p, a, b, c, d] = bytes.try_into().unwrap();
        Self {
            code,
            to: registers & 15,
            from: registers >> 4,
            offset: i16::from_le_bytes([o, p]),
            number: i32::from_le_bytes([a, b, c, d]),
        }
    }
}

/// Depth below the end of its stack that a function reaches: by the register itself, or by one that was
/// made of it just before.
fn frame(code: &[Instruction]) -> u32 {
    const LOADS: u8 = 1;
    const STORES: [u8; 2] = [2, 3];
    const MOVE: u8 = 0xbf;
    const ADD_NUMBER: u8 = 0x07;
    let by_access = code.iter().filter_map(|it| {
        let class = it.code & 7;
        let on_stack = (class == LOADS && it.from == FRAME && it.code != 0x18)
            || (STORES.contains(&class) && it.to == FRAME);
        on_stack.then_some(i32::from(it.offset))
    });
    let by_address = code.windows(2).filter_map(|two| {
        let [base, add] = two else { return None };
        let made = base.code == MOVE && base.from == FRAME;
        let moved = add.code == ADD_NUMBER && add.to == base.to;
        (made && moved).then_some(add.number)
    });
    let lowest = by_access.chain(by_address).min().unwrap_or(0);
    lowest.min(0).unsigned_abs()
}

fn functions() -> BTreeMap<Place, Function> {
    let object = object::File::parse(OBJECT).unwrap();
    let mut all = BTreeMap::new();
    for symbol in object.symbols() {
        let Some(section) = symbol.section_index() else {
            continue;
        };
        if symbol.kind() != SymbolKind::Text || symbol.size() == 0 {
            continue;
        }
        let whole = object.section_by_index(section).unwrap();
        let (begin, size) = (symbol.address(), symbol.size());
        let bytes = whole.data_range(begin, size).unwrap().unwrap();
        let code: Vec<Instruction> = bytes.chunks(8).map(Instruction::of).collect();
        let targets: BTreeMap<u64, SymbolIndex> = whole
            .relocations()
            .filter_map(|(at, relocation)| match relocation.target() {
                RelocationTarget::Symbol(symbol) => Some((at, symbol)),
                _ => None,
            })
            .collect();
        let calls = (begin..).step_by(8).zip(&code).filter_map(|(at, it)| {
            if (it.code, it.from) != (CALL, OF_A_FUNCTION) {
                return None;
            }
            // Counted from the next instruction; where another section is meant, from the symbol's begin.
            let instructions = i64::from(it.number) + 1;
            let (section, from) = match targets.get(&at) {
                None => (section.0, at),
                Some(symbol) => {
                    let symbol = object.symbol_by_index(*symbol).unwrap();
                    (symbol.section_index()?.0, symbol.address())
                }
            };
            Some((section, from.checked_add_signed(instructions * 8)?))
        });
        let function = Function {
            name: symbol.name().unwrap().to_owned(),
            frame: frame(&code),
            calls: calls.collect(),
        };
        all.insert((section.0, begin), function);
    }
    all
}

/// What a function and all that it calls need, and the way there.
fn depth(all: &BTreeMap<Place, Function>, place: Place) -> (u32, String) {
    let function = &all[&place];
    let deepest = function
        .calls
        .iter()
        .map(|callee| depth(all, *callee))
        .max();
    let (below, way) = deepest.unwrap_or_default();
    let own = function.frame.max(1).next_multiple_of(STEP);
    (
        own + below,
        format!("{} {} > {way}", function.name, function.frame),
    )
}

#[test]
fn programs_fit_into_the_stack_of_the_oldest_kernel() {
    let all = functions();
    let programs: Vec<Place> = all
        .iter()
        .filter(|(_, function)| function.name.starts_with("lb_"))
        .map(|(place, _)| *place)
        .collect();
    assert!(programs.len() >= 13, "{programs:?}");
    assert!(
        all.len() > programs.len(),
        "functions of their own are found, too"
    );
    let ways = programs.into_iter().map(|program| depth(&all, program));
    let too_deep: Vec<_> = ways.filter(|(depth, _)| *depth > MOST).collect();
    let frames = all.values().map(|it| (it.frame, &it.name));
    let frames: Vec<_> = frames.filter(|(frame, _)| *frame >= 2 * STEP).collect();
    assert!(too_deep.is_empty(), "{too_deep:#?} by {frames:#?}");
}
