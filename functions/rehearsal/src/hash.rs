//! Hashes that are the same in every run and on every machine, and the seals made of them. Knows no message.

/// FNV-1a: the standard hasher promises no stability.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    pub(crate) fn add(&mut self, text: &str) {
        // A byte that UTF-8 never uses, so that adjacent texts stay separate.
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn finish(self) -> u64 {
        // The low bits of FNV are weak, and the choice of a reply uses them.
        self.0 ^ (self.0 >> 32)
    }
}

/// What a service signs a thought with: 32 hexadecimal digits, which are Base64 too. Bound to what stood before the thought.
pub(crate) fn seal(before: u64, thought: &str) -> String {
    let mut hash = Hash::default();
    hash.add(&before.to_string());
    hash.add(thought);
    let bound = format!("{:016x}", hash.finish());
    let check = check(&bound);
    bound + &check
}

/// Whether this is a seal, of whatever thought.
pub(crate) fn is_seal(text: &str) -> bool {
    let halves = text.split_at_checked(16);
    halves.is_some_and(|(bound, own)| own == check(bound))
}

fn check(bound: &str) -> String {
    let mut hash = Hash::default();
    hash.add("rehearsal");
    hash.add(bound);
    format!("{:016x}", hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_belongs_to_its_thought_and_to_what_stood_before() {
        let own = seal(1, "a thought");
        assert_ne!(own, seal(1, "another"));
        assert_ne!(own, seal(2, "a thought"));
        assert!(is_seal(&own));
        for other in ["", "abc", &own[1..], &own.replace(&own[..1], "x")] {
            assert!(!is_seal(other), "{other}");
        }
    }
}
