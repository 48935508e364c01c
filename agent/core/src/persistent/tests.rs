use super::*;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What may be done to a map.
#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u8),
    Remove(u16),
    Change(u16, u8),
    Retain(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0u16..400;
    prop_oneof![
        4 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
        3 => key().prop_map(Step::Remove),
        2 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Change(key, value)),
        1 => (2u8..20).prop_map(Step::Retain),
    ]
}

fn entries() -> impl Strategy<Value = Vec<(u16, u8)>> {
    vec((0u16..400, any::<u8>()), 0..500)
}

fn take(step: &Step, map: &mut PersistentMap<u16, u8>, model: &mut BTreeMap<u16, u8>) {
    match *step {
        Step::Insert(key, value) => assert_eq!(map.insert(key, value), model.insert(key, value)),
        Step::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
        Step::Change(key, value) => {
            assert_eq!(map.get_mut(&key).is_some(), model.contains_key(&key));
            if let (Some(ours), Some(theirs)) = (map.get_mut(&key), model.get_mut(&key)) {
                (*ours, *theirs) = (value, value);
            }
        }
        Step::Retain(every) => {
            map.retain(|key, _| !key.is_multiple_of(every.into()));
            model.retain(|key, _| !key.is_multiple_of(every.into()));
        }
    }
}

proptest! {
    #[test]
    fn it_does_what_a_btreemap_does(entries in entries(), steps in vec(step(), 0..80), from: u16, to: u16) {
        let mut map: PersistentMap<u16, u8> = entries.iter().copied().collect();
        let mut model: BTreeMap<u16, u8> = entries.into_iter().collect();
        let copy = map.clone();
        let before = model.clone();
        for step in &steps {
            take(step, &mut map, &mut model);
            prop_assert_eq!(map.len(), model.len());
        }
        prop_assert!(map.iter().eq(&model));
        prop_assert!(copy.iter().eq(&before), "a copy does not change");
        prop_assert!(map.chunks.iter().all(|chunk| (1..=MOST).contains(&chunk.len())));
        let (from, to) = (from.min(to) % 400, from.max(to) % 400);
        if from <= to {
            prop_assert!(map.range(from..=to).eq(model.range(from..=to)));
            prop_assert!(map.range(from..to).eq(model.range(from..to)));
        }
        prop_assert!(map.clone().into_iter().eq(model.clone()));
        for (_, value) in &mut map {
            *value = value.wrapping_add(1);
        }
        model.values_mut().for_each(|value| *value = value.wrapping_add(1));
        prop_assert!(map.iter().eq(&model));
    }

    #[test]
    fn changes_are_those_of_the_entries(entries in entries(), steps in vec(step(), 0..30), anew: bool) {
        let before: PersistentMap<u16, u8> = entries.into_iter().collect();
        let mut model = before.iter().map(|(key, value)| (*key, *value)).collect();
        let mut now = before.clone();
        for step in &steps {
            take(step, &mut now, &mut model);
        }
        // With nothing in common, the same comes out.
        if anew {
            now = model.iter().map(|(key, value)| (*key, *value)).collect();
        }
        let mut made = before.iter().map(|(key, value)| (*key, *value)).collect::<BTreeMap<_, _>>();
        for change in now.changes(&before) {
            prop_assert_eq!(change.before(), before.get(change.key()));
            prop_assert_ne!(change.now(), change.before());
            match change.now() {
                Some(value) => made.insert(*change.key(), *value),
                None => made.remove(change.key()),
            };
        }
        prop_assert_eq!(&made, &model);
        prop_assert_eq!(now == before, now.iter().eq(before.iter()));
        let heir = now.reusing(&before);
        prop_assert_eq!(&heir, &now);
        let mut same = before.clone();
        same.reuse_from(&now);
        prop_assert_eq!(same, before);
    }
}

#[test]
fn what_two_maps_share_is_not_read_to_compare_them() {
    /// Equal to nothing that it is compared with.
    #[derive(Clone, Debug)]
    struct Unread;
    impl PartialEq for Unread {
        fn eq(&self, _: &Self) -> bool {
            panic!("read")
        }
    }
    let map: PersistentMap<u32, Unread> = (0..1_000).map(|key| (key, Unread)).collect();
    let mut other = map.clone();
    assert!(other == map);
    other.remove(&0);
    other.remove(&1);
    let anew: PersistentMap<u32, u32> = (0..1_000).map(|key| (key, key)).collect();
    let mut before = anew.clone();
    before.insert(500, 0);
    let heir = anew.reusing(&before);
    let changed = heir.chunks.iter().zip(&before.chunks);
    assert_eq!(changed.filter(|(a, b)| !Arc::ptr_eq(a, b)).count(), 1);
    let changed = map.chunks.iter().zip(&other.chunks);
    assert_eq!(changed.filter(|(a, b)| !Arc::ptr_eq(a, b)).count(), 1);
}

#[test]
fn entries_that_come_one_by_one_take_hardly_more_memory_than_those_that_come_at_once() {
    let in_order = 0..10_000_u32;
    let scattered = in_order.clone().map(|key| key.wrapping_mul(0x9e37_79b9));
    // One for each chunk of a map that was made at once.
    let even = in_order.clone().map(|key| (key * 2, key)).collect();
    let odd = in_order.clone().step_by(FILL).map(|key| key * 2 + 1);
    for (mut map, keys) in [
        (PersistentMap::default(), in_order.collect::<Vec<_>>()),
        (PersistentMap::default(), scattered.collect()),
        (even, odd.collect()),
    ] {
        for key in keys {
            map.insert(key, key);
        }
        let room: usize = map.chunks.iter().map(|chunk| chunk.capacity()).sum();
        assert!(room <= map.len() * 6 / 5, "{room} for {}", map.len());
    }
}

proptest! {
    #[test]
    fn a_set_does_what_a_btreeset_does(
        begin in btree_set(0u16..200, 0..100), steps in vec((0u16..200, any::<bool>()), 0..60),
    ) {
        let mut set: PersistentSet<u16> = begin.iter().copied().collect();
        let before = set.clone();
        let mut model = begin.clone();
        for (key, insert) in steps {
            if insert {
                prop_assert_eq!(set.insert(key), model.insert(key));
            } else {
                prop_assert_eq!(set.remove(&key), model.remove(&key));
            }
            prop_assert_eq!(set.contains(&key), insert);
            prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        }
        prop_assert!(set.iter().eq(&model));
        prop_assert!(set.difference(&before).eq(model.difference(&begin)));
        prop_assert!(before.difference(&set).eq(begin.difference(&model)));
        prop_assert_eq!(format!("{set:?}"), format!("{model:?}"));
    }
}

#[test]
fn a_map_is_looked_at_as_a_btreemap_is() {
    let mut map: PersistentMap<u16, char> = [(2, 'b'), (1, 'a'), (2, 'c')].into();
    assert!(!map.is_empty() && PersistentMap::<u16, char>::default().is_empty());
    assert!(map.contains_key(&1) && !map.contains_key(&3));
    assert_eq!(
        (map.get(&2), map.key(&2), map.key(&3)),
        (Some(&'c'), Some(&2), None)
    );
    assert!(map.keys().eq(&[1, 2]) && map.values().eq(&['a', 'c']));
    assert_eq!(format!("{map:?}"), "{1: 'a', 2: 'c'}");
    map.extend([(3, 'd'), (1, 'e')]);
    for value in map.values_mut() {
        value.make_ascii_uppercase();
    }
    assert_eq!(map.clone().into_values().collect::<String>(), "ECD");
    let json = serde_json::to_string(&map).unwrap();
    assert_eq!(json, r#"{"1":"E","2":"C","3":"D"}"#);
    let read: PersistentMap<u16, char> = serde_json::from_str(&json).unwrap();
    assert_eq!(read, map);
    map.clear();
    assert_eq!(map, PersistentMap::default());
}

#[test]
fn a_map_that_equals_another_may_share_its_parts_and_one_that_does_not_stays_as_it_is() {
    let shares = |a: &PersistentMap<u32, u32>, b: &PersistentMap<u32, u32>| {
        let both = a.chunks.iter().zip(&b.chunks);
        both.filter(|(a, b)| Arc::ptr_eq(a, b)).count()
    };
    let made = || -> PersistentMap<u32, u32> { (0..1_000).map(|key| (key, key)).collect() };
    let (mut one, mut other) = (made(), made());
    assert_eq!(shares(&one, &other), 0);
    one.reuse_from(&other);
    assert_eq!(shares(&one, &other), one.chunks.len());
    let before = one.clone();
    other.insert(500, 0);
    one.reuse_from(&other);
    assert_eq!((&one, shares(&one, &before)), (&before, one.chunks.len()));
}

#[test]
fn a_range_may_begin_behind_a_key_and_have_no_begin() {
    let map: PersistentMap<u16, u8> = (0..200).map(|key| (key * 2, 0)).collect();
    let model: BTreeMap<u16, u8> = map.clone().into_iter().collect();
    // The first key, keys of the first and the last entry of a chunk, one that is not there, the last key.
    for key in [0, 1, 94, 95, 96, 190, 398, 399] {
        let behind = (Bound::Excluded(key), Bound::Unbounded);
        assert!(map.range(behind).eq(model.range(behind)), "behind {key}");
        assert!(map.range(..key).eq(model.range(..key)), "before {key}");
    }
}

#[test]
fn a_chunk_that_is_too_large_is_halved_and_at_the_end_it_stays_behind_nearly_full() {
    let mut map: PersistentMap<u32, u32> = PersistentMap::default();
    let mut with = |keys: &mut dyn Iterator<Item = u32>| -> Vec<usize> {
        map.extend(keys.map(|key| (key, key)));
        map.chunks.iter().map(|chunk| chunk.len()).collect()
    };
    assert_eq!(with(&mut (0..64).map(|key| key * 10)), [64]);
    assert_eq!(with(&mut [640].into_iter()), [48, 17]);
    assert_eq!(with(&mut (0..16).map(|key| key * 10 + 1)), [64, 17]);
    assert_eq!(with(&mut [5].into_iter()), [32, 33, 17]);
}

/// A number that counts how often it is compared.
#[derive(Clone, Debug)]
struct Counted<'a>(u32, &'a Cell<usize>);

impl PartialEq for Counted<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Counted<'_> {}

impl PartialOrd for Counted<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Counted<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.1.set(self.1.get() + 1);
        self.0.cmp(&other.0)
    }
}

#[test]
fn a_set_that_has_become_another_is_compared_with_it_without_a_look_at_the_members() {
    let compared = Cell::new(0);
    let made = || -> PersistentSet<Counted<'_>> {
        (0..1_000)
            .map(|number| Counted(number, &compared))
            .collect()
    };
    let (mut one, other) = (made(), made());
    assert_eq!(one, other);
    assert!(compared.replace(0) >= 1_000 * 2);
    one.reuse_from(&other);
    compared.set(0);
    assert_eq!(one, other);
    assert_eq!(compared.get(), 0);
}

#[test]
fn a_set_is_made_of_an_array() {
    let set = PersistentSet::from([3, 1, 3]);
    assert!(set.iter().eq(&[1, 3]));
}
