//! ISO 8601 durations as Graph's `Edm.Duration` knows them: days, hours, minutes, seconds.
//!
//! Months, years and weeks have no fixed length in that type; PIM refuses `P6M` and `P1Y` with
//! `InvalidRoleAssignmentRequest` (reported by users of more than one client), so they do not parse.

use std::fmt::Write as _;
use std::time::Duration;

/// Reads `P3D`, `PT2H30M`, `P1DT12H`, `PT0.5S`. `None` for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total = fields(days, &[('D', 86_400)])?;
    total = total.checked_add(fields(time, &[('H', 3_600), ('M', 60), ('S', 1)])?)?;
    Some(total)
}

/// Reads `<number><unit>` pairs, each unit at most once and in the given order.
fn fields(mut text: &str, units: &[(char, u64)]) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for &(unit, seconds) in units {
        let Some((number, rest)) = text.split_once(unit) else {
            continue;
        };
        let amount = if unit == 'S' && number.contains('.') {
            let value: f64 = number.parse().ok()?;
            Duration::try_from_secs_f64(value).ok()?
        } else {
            let whole: u64 = digits(number)?;
            Duration::from_secs(whole.checked_mul(seconds)?)
        };
        total = total.checked_add(amount)?;
        text = rest;
    }
    text.is_empty().then_some(total)
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Writes a duration the way Graph does: `P365D`, `PT8H`, `P1DT12H`, `PT0S`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut seconds = duration.as_secs();
    let mut text = String::from("P");
    let days = seconds / 86_400;
    seconds %= 86_400;
    if days > 0 {
        let _ = write!(text, "{days}D");
    }
    let fraction = duration.subsec_millis();
    if seconds > 0 || fraction > 0 || days == 0 {
        text.push('T');
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        if hours > 0 {
            let _ = write!(text, "{hours}H");
        }
        if minutes > 0 {
            let _ = write!(text, "{minutes}M");
        }
        if fraction > 0 {
            let _ = write!(text, "{seconds}.{fraction:03}S");
        } else if seconds > 0 || (hours == 0 && minutes == 0) {
            let _ = write!(text, "{seconds}S");
        }
    }
    text
}

/// `#[serde(with = "duration::iso")]` for a [`Duration`] written as ISO 8601 text.
pub(crate) mod iso {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::format(*value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        super::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("not an ISO 8601 duration: {text}")))
    }
}

/// The same for an optional [`Duration`].
pub(crate) mod iso_option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    // serde's `with` hands over the field by reference.
    #[allow(clippy::ref_option)]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(super::format).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else {
            return Ok(None);
        };
        super::parse(&text)
            .map(Some)
            .ok_or_else(|| D::Error::custom(format!("not an ISO 8601 duration: {text}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_hours_minutes_and_seconds_are_read_and_written() {
        for text in [
            "P365D", "PT8H", "P1DT12H", "PT30M", "PT0S", "PT1H45M", "PT0.600S",
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
        assert_eq!(parse("PT24H"), parse("P1D"));
    }

    #[test]
    fn months_years_weeks_and_nonsense_are_refused() {
        for text in [
            "P6M", "P1Y", "P2W", "P", "PT", "P1DT", "1D", "PT5", "P-1D", "PT1M2H",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
