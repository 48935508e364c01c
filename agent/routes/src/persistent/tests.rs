use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashMap;

/// What may be done to a map.
#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u8),
    Remove(u16),
    Change(u16, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0u16..2_000;
    prop_oneof![
        4 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => key().prop_map(Step::Remove),
        2 => (key(), 0u8..3).prop_map(|(key, value)| Step::Change(key, value)),
    ]
}

fn take(step: &Step, map: &mut PersistentHashMap<u16, u8>, model: &mut HashMap<u16, u8>) {
    match *step {
        Step::Insert(key, value) => assert_eq!(map.insert(key, value), model.insert(key, value)),
        Step::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
        Step::Change(key, now) => {
            let before = model.remove(&key).unwrap_or_default();
            if now != 0 {
                model.insert(key, now);
            }
            map.change(key, |value| {
                assert_eq!(*value, before);
                *value = now;
            });
        }
    }
}

fn is(map: &PersistentHashMap<u16, u8>, model: &HashMap<u16, u8>) -> bool {
    let entries: HashMap<u16, u8> = map.iter().map(|(key, value)| (*key, *value)).collect();
    map.len() == model.len()
        && map.is_empty() == model.is_empty()
        && entries == *model
        && (0..2_000).all(|key| map.get(&key) == model.get(&key))
}

proptest! {
    #[test]
    fn it_does_what_a_hash_map_does_and_a_copy_stays_as_it_was(
        begin in vec(step(), 0..600),
        steps in vec(step(), 0..200),
    ) {
        let (mut map, mut model) = (PersistentHashMap::default(), HashMap::new());
        for step in &begin {
            take(step, &mut map, &mut model);
        }
        let (copy, before) = (map.clone(), model.clone());
        for step in &steps {
            take(step, &mut map, &mut model);
        }
        prop_assert!(is(&map, &model));
        prop_assert!(is(&copy, &before));
        prop_assert_eq!(map == copy, model == before);
        let mut anew = PersistentHashMap::default();
        for (key, value) in &model {
            anew.insert(*key, *value);
        }
        prop_assert_eq!(anew, map);
    }
}

#[test]
fn a_change_leaves_all_shards_but_one_as_they_are_and_a_key_that_is_not_there_all_of_them() {
    let mut map = PersistentHashMap::default();
    for key in 0..10_000 {
        map.insert(key, key);
    }
    let before = map.clone();
    let other = |map: &PersistentHashMap<i32, i32>| {
        let shards = map.shards.iter().zip(before.shards.iter());
        shards.filter(|(a, b)| !Arc::ptr_eq(a, b)).count()
    };
    assert_eq!(map.remove(&-1), None);
    assert_eq!(other(&map), 0);
    map.insert(7, 0);
    assert_eq!(other(&map), 1);
    let longest = map.shards.iter().map(|shard| shard.len()).max();
    assert!(longest < Some(160), "{longest:?} of 10,000 in 256 shards");
}

#[test]
fn a_text_is_found_by_a_part_of_another_one() {
    let mut map: PersistentHashMap<Arc<str>, u8> = PersistentHashMap::default();
    map.insert("a.test".into(), 1);
    let url = "http://a.test/";
    assert_eq!(map.get(&url[7..13]), Some(&1));
}
