//! Things that are held at once, counted by key. What a key has none of takes no memory.

use std::collections::HashMap;
use std::hash::Hash;

/// How many there are of each key.
#[derive(Debug)]
pub struct Counts<K>(HashMap<K, u64>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Counts<K> {
    /// How many there are of this one.
    pub fn of(&self, key: &K) -> u64 {
        self.0.get(key).copied().unwrap_or_default()
    }

    /// One more.
    pub fn add(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    /// One less.
    pub fn remove(&mut self, key: &K) {
        let Some(count) = self.0.get_mut(key) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.0.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_any_is_forgotten() {
        let mut counts = Counts::default();
        counts.add("a");
        counts.add("a");
        counts.remove(&"a");
        counts.remove(&"b");
        assert_eq!((counts.of(&"a"), counts.of(&"b")), (1, 0));
        counts.remove(&"a");
        assert!(counts.0.is_empty());
    }
}
