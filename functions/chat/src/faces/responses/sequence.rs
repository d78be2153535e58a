//! Numbers of a stream's events. They are not counted but say where an event stands in its turn, so that they are the same however
//! the text was cut into pieces, in each stream of the turn and on every instance; and so that a stream is taken up again behind any
//! of them.
//!
//! | bits | what |
//! | --- | --- |
//! | from 30 | how many texts were taken back before it |
//! | 10 to 29 | the turn's offset: bytes of text, and one for each other thing that happened |
//! | 6 to 9 | the event among those of one thing |
//! | 3 to 5 | the step, modulo 8 |
//! | 0 to 2 | the fence of the step's owner, modulo 8: the same text of another owner is another one |
//!
//! Within 31 bits, as some clients want, for turns up to a megabyte in which at most one text was taken back.

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) retracted: u64,
    /// Behind so much of the turn.
    pub(super) offset: u64,
    /// Among the events there.
    pub(super) minor: u64,
    pub(super) step: u64,
    pub(super) fence: u64,
}

const RETRACTED: u32 = 30;
const OFFSET: u32 = 10;
const MINOR: u32 = 6;
const STEP: u32 = 3;

impl Place {
    /// The number: later places have higher ones.
    pub(super) fn number(self) -> u64 {
        (self.retracted << RETRACTED)
            + (self.offset << OFFSET)
            + (self.minor << MINOR)
            + ((self.step & 7) << STEP)
            + (self.fence & 7)
    }

    pub(super) fn of(number: u64) -> Self {
        let bits = |from: u32, until: u32| (number >> from) & ((1 << (until - from)) - 1);
        Self {
            retracted: number >> RETRACTED,
            offset: bits(OFFSET, RETRACTED),
            minor: bits(MINOR, OFFSET),
            step: bits(STEP, MINOR),
            fence: bits(0, STEP),
        }
    }

    /// Whether this may be in a step with this number.
    pub(super) fn is_in(self, step: u32) -> bool {
        self.step == u64::from(step) & 7
    }

    /// Whose text of its step this is, seen from an owner with this fence. A step does not have eight owners.
    pub(super) fn whose(self, fence: u64) -> Whose {
        match fence.wrapping_sub(self.fence) & 7 {
            0 => Whose::Ours,
            1..=3 => Whose::Earlier,
            _ => Whose::Later,
        }
    }
}

/// The owner of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// This owner.
    Ours,
    /// One before it, whose text was taken back.
    Earlier,
    /// One after it.
    Later,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_its_place_and_grows_with_it() {
        let place = |retracted, offset, minor, step, fence| Place {
            retracted,
            offset,
            minor,
            step,
            fence,
        };
        let places = [
            place(0, 0, 0, 0, 0),
            place(0, 1, 0, 0, 0),
            place(0, 1, 12, 1, 7),
            place(0, 2, 0, 1, 7),
            place(0, 999_999, 15, 2, 0),
            place(1, 1, 0, 1, 1),
        ];
        let numbers = places.map(Place::number);
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(numbers.map(Place::of), places);
        assert!(numbers.iter().all(|number| *number < 1 << 31));
    }

    #[test]
    fn a_number_tells_whether_its_text_was_taken_back() {
        let place = Place::of(
            Place {
                retracted: 0,
                offset: 9,
                minor: 0,
                step: 1,
                fence: 15,
            }
            .number(),
        );
        assert_eq!(
            [14, 15, 16, 18].map(|fence| place.whose(fence)),
            [Whose::Later, Whose::Ours, Whose::Earlier, Whose::Earlier]
        );
    }
}
