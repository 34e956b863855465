//! Lengths as Graph may write them. Graph's own spellings of one length differ (`P1D`, `PT24H`, `PT8H0M0S`), so lengths are
//! compared as numbers; what Graph takes from us is narrower and read by [`crate::pim::duration`].

use chrono::TimeDelta;

/// Reads a length; none for what is no length, or one of months.
#[must_use]
pub fn read(text: &str) -> Option<TimeDelta> {
    let body = text.trim().strip_prefix('P')?;
    let (date, time) = body.split_once('T').unwrap_or((body, ""));
    let days = sum(date, &[('Y', 365), ('W', 7), ('D', 1)])?;
    let seconds = sum(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    if date.is_empty() && time.is_empty() {
        return None;
    }
    TimeDelta::try_days(days)?.checked_add(&TimeDelta::try_seconds(seconds)?)
}

/// The sum of numbers with units, in this order, each at most once. Parts of a second are dropped.
fn sum(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut total = 0_i64;
    for (unit, factor) in units {
        let Some((number, rest)) = text.split_once(*unit) else {
            continue;
        };
        let whole = match number.split_once('.') {
            Some((whole, part)) if *unit == 'S' && is_number(part) => whole,
            Some(_) => return None,
            None => number,
        };
        if !is_number(whole) {
            return None;
        }
        total = total.checked_add(whole.parse::<i64>().ok()?.checked_mul(*factor)?)?;
        text = rest;
    }
    text.is_empty().then_some(total)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 16 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_length_are_equal() {
        for (one, other) in [
            ("P1D", "PT24H"),
            ("PT8H", "PT8H0M0S"),
            ("P1Y", "P365D"),
            ("PT0S", "P0D"),
            ("PT1H30M", "PT90M"),
            ("PT60.5S", "PT1M"),
        ] {
            assert!(read(one).is_some(), "{one}");
            assert_eq!(read(one), read(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_length_is_not_read() {
        for text in [
            "", "P", "P6M", "8h", "PT", "PT8", "PT1.5H", "P-1D", "P1DT1X",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
