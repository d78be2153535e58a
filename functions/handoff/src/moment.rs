//! Moments as RFC 3339 writes them, in both directions. Knows the calendar; never the clock.

use crate::ports::Millis;
use crate::record::audit::Day;

const DAY: i64 = 86_400;

/// A moment in UTC, with milliseconds.
pub fn written(at: Millis) -> String {
    let (seconds, milliseconds) = (at / 1_000 % 86_400, at % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let day = Day::of(at);
    format!("{day}T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}Z")
}

/// Reads a moment; what is less than a millisecond is dropped, and what was before 1970 is 1970. None for any other text.
pub fn parse(text: &str) -> Option<Millis> {
    let (day, time) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(day, '-', [4, 2, 2])?;
    let (time, offset) = split_offset(time)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hours, minutes, seconds] = numbers(time, ':', [2, 2, 2])?;
    // A leap second is the one behind it.
    let fits = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hours < 24
        && minutes < 60
        && seconds <= 60;
    if !fits || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{fraction:0<3}");
    let milliseconds: u64 = digits.get(..3)?.parse().ok()?;
    let seconds = days_until(year, month, day) * DAY + hours * 3_600 + minutes * 60 + seconds;
    let seconds = u64::try_from(seconds - offset).unwrap_or(0);
    Some(seconds * 1_000 + milliseconds)
}

/// The time, and the seconds that it is ahead of UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let (time, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
    let sign = match offset.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let [hours, minutes] = numbers(offset.get(1..)?, ':', [2, 2])?;
    let fits = hours < 24 && minutes < 60;
    fits.then_some((time, sign * (hours * 3_600 + minutes * 60)))
}

/// Numbers of these widths with the separator between them.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        let plain = part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = plain.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days from 1970 until this one.
fn days_until(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let years = before * 365 + before / 4 - before / 100 + before / 400;
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    // The same of 1970-01-01.
    years + months + day - 1 - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        // Every some days and hours until the year 2300, and around ends of years.
        let many = (0..120_000_u64).map(|number| number * 86_413_337);
        let ends = [0, 951_782_399_999, 951_782_400_000, 1_735_689_599_999];
        for at in many.chain(ends) {
            assert_eq!(parse(&written(at)), Some(at), "{}", written(at));
        }
        assert_eq!(written(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(written(1_796_021_524_118), "2026-11-30T06:52:04.118Z");
    }

    #[test]
    fn moments_of_other_zones_and_precisions_are_read() {
        let at = Some(1_796_021_524_000);
        for text in [
            "2026-11-30T06:52:04Z",
            "2026-11-30t06:52:04z",
            "2026-11-30T06:52:04.000000Z",
            "2026-11-30T08:52:04+02:00",
            "2026-11-30T01:22:04.0-05:30",
        ] {
            assert_eq!(parse(text), at, "{text}");
        }
        assert_eq!(parse("2026-11-30T06:52:04.1189Z"), at.map(|at| at + 118));
        assert_eq!(parse("1969-07-20T20:17:40Z"), Some(0));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2026-11-30",
            "2026-11-30T06:52Z",
            "2026-11-30T06:52:04",
            "2026-11-31T06:52:04Z",
            "2025-02-29T06:52:04Z",
            "2026-13-01T06:52:04Z",
            "2026-11-30T24:52:04Z",
            "2026-11-30T06:52:04.Z",
            "2026-11-30T06:52:04+2:00",
            "+026-11-30T06:52:04Z",
            "2026-11-30T06:52:04Zä",
            "2026-11-30T06:52:04ä00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
