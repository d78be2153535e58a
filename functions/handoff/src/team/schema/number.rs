//! Numbers in canonical form: compared and divided by their value, not by how a processor rounds it.

use std::cmp::Ordering;

use serde_json::Number;

/// Beyond it a decimal is only near its value; schemas of tools have no such numbers.
const MAX_SHIFT: u32 = 30;

pub(super) fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

/// None is for what is not a number at all, which JSON does not have.
pub(super) fn compare(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// Whether dividing leaves nothing: 4.35 is a multiple of 0.01, though not in binary fractions.
pub(super) fn is_multiple(number: &Number, of: &Number) -> bool {
    let exact = || {
        let (number, of) = (Decimal::read(number)?, Decimal::read(of)?);
        let exponent = number.exponent.min(of.exponent);
        Some(number.shifted(exponent)? % of.shifted(exponent)? == 0)
    };
    exact().unwrap_or_else(|| match (number.as_f64(), of.as_f64()) {
        (Some(number), Some(of)) => (number / of).fract() == 0.0,
        _ => true,
    })
}

/// `digits` × 10 ^ `exponent`.
struct Decimal {
    digits: i128,
    exponent: i32,
}

impl Decimal {
    fn read(number: &Number) -> Option<Self> {
        // The shortest text that names the number: what whoever wrote it meant.
        let text = number.to_string();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let places = i32::try_from(fraction.len()).ok()?;
        Some(Self {
            digits: format!("{whole}{fraction}").parse().ok()?,
            exponent: exponent.parse::<i32>().ok()?.checked_sub(places)?,
        })
    }

    /// The digits at a lower exponent; none where they do not fit.
    fn shifted(&self, exponent: i32) -> Option<i128> {
        let shift = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        if shift > MAX_SHIFT {
            return None;
        }
        self.digits.checked_mul(10_i128.checked_pow(shift)?)
    }
}
