//! A bounded memory of answers that hold for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use crate::ports::Millis;

/// The most answers remembered.
const MOST: usize = 4_096;

/// Answers of the store with the time until which each is used.
#[derive(Debug)]
pub(crate) struct Remembered<K, V>(Mutex<HashMap<K, (V, Millis)>>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Remembered<K, V> {
    /// The answer, unless it is too old.
    pub(crate) fn get(&self, key: &K, now: Millis) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, until) = known.get(key)?;
        (*until > now).then(|| value.clone())
    }

    /// Remembers an answer until then. If there are too many, old answers go first, and then any.
    pub(crate) fn keep(&self, key: K, value: V, until: Millis, now: Millis) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&key) {
            known.retain(|_, (_, until)| *until > now);
            let any = (known.len() >= MOST).then(|| known.keys().next().cloned());
            if let Some(any) = any.flatten() {
                known.remove(&any);
            }
        }
        known.insert(key, (value, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_used_until_its_time_and_there_are_never_too_many() {
        let memory = Remembered::default();
        memory.keep(0, "old", 10, 0);
        assert_eq!(memory.get(&0, 9), Some("old"));
        assert_eq!(memory.get(&0, 10), None);
        for key in 0..=MOST {
            memory.keep(key, "new", 100, 10);
        }
        assert_eq!(memory.get(&MOST, 50), Some("new"));
        assert!(memory.0.lock().unwrap().len() <= MOST);
    }
}
