//! Graph's timestamps: read in any precision and offset, written in UTC to the second.

use chrono::{DateTime, Datelike, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Reads a timestamp; one without an offset is UTC.
fn parse(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .ok()
        .map(|time| time.and_utc())
}

/// For start and end times: null, absent or a readable timestamp. Anything else is an error, since reading a damaged
/// end as "no end" would turn a limited grant into a permanent one.
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    parse(&text)
        .map(Some)
        .ok_or_else(|| D::Error::custom("a timestamp is not in ISO 8601 form"))
}

/// For bookkeeping times: as [`read`], but Graph's placeholder in the year 1 means "never" and reads as `None`.
pub(super) fn read_bookkeeping<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(read(deserializer)?.filter(|time| time.year() > 1))
}

/// Writes UTC with `Z` and whole seconds, the form Graph echoes unchanged.
#[expect(clippy::ref_option, reason = "the signature serde calls")]
pub(super) fn write<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true)),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn any_precision_and_offset_reads_as_the_same_instant() {
        let expected = parse("2026-03-01T09:00:03Z").unwrap();
        for text in [
            "2026-03-01T09:00:03.0000000Z",
            "2026-03-01T11:00:03+02:00",
            "2026-03-01T09:00:03",
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        assert_eq!(
            parse("2026-03-01T09:00:03.1234567Z")
                .unwrap()
                .timestamp_subsec_nanos(),
            123_456_700
        );
    }

    #[test]
    fn text_that_is_no_timestamp_is_not_read() {
        assert_eq!(parse("soon"), None);
        assert_eq!(parse(""), None);
    }
}
