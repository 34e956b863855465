//! Where a request comes from, in the words that Entra keeps with it: the suffix of every justification.
//!
//! ```text
//! On-call for payments [pim-operator: GroupEligibility payments/alice uid=… generation=3 request=… why=not-granted lasting=P90D cluster=… revision=main@sha1:…]
//! ```
//!
//! [`justify`] writes it and [`parse`] reads it. Only the last suffix of a text is read, and only at its very end: what a user
//! writes stands before ours, so that a manifest cannot speak for another. Every value is held to a strict set of characters,
//! none of which closes the brackets or begins another value.

use chrono::TimeDelta;

use super::duration;

/// How long the whole should be, in UTF-16 units, as .NET counts.
///
/// Microsoft publishes no limit: neither the metadata nor the pages on schedule requests state one, so this is a
/// cautious choice. Beyond it the suffix drops what our own look-ups can do without: the revision, then the
/// cluster, then the generation. The user's words and the rest are never cut; see [`LONGEST`].
pub const LIMIT: usize = 500;

/// How long the whole can become, in characters: three hundred of the user's beside the longest names that Kubernetes knows.
pub const LONGEST: usize = 800;

/// How a suffix begins.
const OPENING: &str = "[pim-operator: ";

/// The longest revision that is passed on whole.
const LONGEST_REVISION: usize = 128;

/// Where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The kind of the object.
    pub kind: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// The request's own id, the `client-request-id` of the call.
    pub request: String,
    /// Why it was sent, as [`Why::as_str`](super::plan::Why::as_str) has it.
    pub why: Option<String>,
    /// The declared length of the window, where it is relative: a restored grant is shorter than its declaration.
    pub lasting: Option<TimeDelta>,
    /// The generation of the object's `spec`.
    pub generation: Option<i64>,
    /// The cluster: the uid of its `kube-system` namespace.
    pub cluster: Option<String>,
    /// The Git revision that the object was applied from.
    pub revision: Option<String>,
}

/// The user's words with the suffix behind them.
#[must_use]
pub fn justify(words: Option<&str>, provenance: &Provenance) -> String {
    let generation = provenance
        .generation
        .map(|generation| generation.to_string());
    let cluster = provenance.cluster.as_deref().filter(|text| is_id(text));
    let revision = provenance.revision.as_deref().and_then(revision);
    let tries = [
        (generation.as_deref(), cluster, revision.as_deref()),
        (generation.as_deref(), cluster, None),
        (generation.as_deref(), None, None),
    ];
    let write = |(generation, cluster, revision)| {
        let suffix = suffix(provenance, generation, cluster, revision);
        match words {
            Some(words) => format!("{words} {suffix}"),
            None => suffix,
        }
    };
    tries
        .into_iter()
        .map(write)
        .find(|text| text.encode_utf16().count() <= LIMIT)
        .unwrap_or_else(|| write((None, None, None)))
}

fn suffix(
    provenance: &Provenance,
    generation: Option<&str>,
    cluster: Option<&str>,
    revision: Option<&str>,
) -> String {
    let Provenance {
        kind,
        namespace,
        name,
        uid,
        request,
        ..
    } = provenance;
    let lasting = provenance.lasting.map(duration::format);
    let why = provenance.why.as_deref().filter(|text| is_id(text));
    let mut text = format!("{OPENING}{kind} {namespace}/{name}");
    let parts = [
        ("uid", Some(uid.as_str())),
        ("generation", generation),
        ("request", Some(request.as_str())),
        ("why", why),
        ("lasting", lasting.as_deref()),
        ("cluster", cluster),
        ("revision", revision),
    ];
    for (key, value) in parts {
        if let Some(value) = value {
            text.extend([" ", key, "=", value]);
        }
    }
    text.push(']');
    text
}

/// Reads the suffix at the end of a justification; none where there is none, or where it is not whole.
#[must_use]
pub fn parse(justification: &str) -> Option<Provenance> {
    let whole = justification.trim_end().strip_suffix(']')?;
    let start = whole.rfind(OPENING)?;
    // Ours stands alone or behind a space.
    if start > 0 && !whole[..start].ends_with(' ') {
        return None;
    }
    let mut parts = whole[start + OPENING.len()..].split(' ');
    let kind = parts
        .next()
        .filter(|kind| is_made_of(kind, |byte| byte.is_ascii_alphanumeric()))?;
    let (namespace, name) = parts.next()?.split_once('/')?;
    if !is_name(namespace) || !is_name(name) {
        return None;
    }
    let mut read = Provenance {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Provenance::default()
    };
    for part in parts {
        let (key, value) = part.split_once('=')?;
        if !is_made_of(value, is_plain) {
            return None;
        }
        match key {
            "uid" => value.clone_into(&mut read.uid),
            "request" => value.clone_into(&mut read.request),
            "why" => read.why = Some(value.to_owned()),
            "lasting" => read.lasting = Some(duration::parse(value).ok()?),
            "generation" => read.generation = Some(value.parse().ok()?),
            "cluster" => read.cluster = Some(value.to_owned()),
            "revision" => read.revision = Some(value.to_owned()),
            // A later version may say more.
            _ => {}
        }
    }
    (is_id(&read.uid) && is_id(&read.request)).then_some(read)
}

/// A revision as the suffix can carry it. A branch whose name does not fit is left out, and the commit behind its `@` stays.
#[must_use]
pub fn revision(text: &str) -> Option<String> {
    let fits = |text: &&str| text.len() <= LONGEST_REVISION && is_made_of(text, is_plain);
    let commit = text.rsplit_once('@').map(|(_, commit)| commit);
    Some(text)
        .filter(fits)
        .or_else(|| commit.filter(fits))
        .map(str::to_owned)
}

/// Letters, digits and what joins them in names, ids, versions and revisions: neither a space nor a bracket nor `=`.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/' | b'@' | b':' | b'+')
}

fn is_name(text: &str) -> bool {
    is_made_of(text, |byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    })
}

fn is_id(text: &str) -> bool {
    is_made_of(text, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_made_of(text: &str, fits: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::{option, prelude::*};

    use super::*;

    fn alice() -> Provenance {
        Provenance {
            kind: "GroupEligibility".to_owned(),
            namespace: "payments".to_owned(),
            name: "alice-payments-ops".to_owned(),
            uid: "5f0c9b5e-3f7e-4a53-9d8a-7ad5c2f1a001".to_owned(),
            request: "0b6f6c1d-40f7-4b57-8c93-5a1f4f6f3002".to_owned(),
            why: Some("not-granted".to_owned()),
            lasting: Some(TimeDelta::days(90)),
            generation: Some(3),
            cluster: Some("c1c1c1c1-1111-4111-8111-c1c1c1c1c1c1".to_owned()),
            revision: Some("main@sha1:4f2c6a0d9e8b7a6c5d4e3f2a1b0c9d8e7f6a5b4c".to_owned()),
        }
    }

    #[test]
    fn the_suffix_follows_the_users_words_and_is_read_back_whole() {
        let text = justify(Some("On-call for payments"), &alice());
        assert_eq!(
            text,
            "On-call for payments [pim-operator: GroupEligibility payments/alice-payments-ops \
             uid=5f0c9b5e-3f7e-4a53-9d8a-7ad5c2f1a001 generation=3 \
             request=0b6f6c1d-40f7-4b57-8c93-5a1f4f6f3002 why=not-granted lasting=P90D \
             cluster=c1c1c1c1-1111-4111-8111-c1c1c1c1c1c1 \
             revision=main@sha1:4f2c6a0d9e8b7a6c5d4e3f2a1b0c9d8e7f6a5b4c]"
        );
        assert_eq!(parse(&text), Some(alice()));
        assert_eq!(parse(&justify(None, &alice())), Some(alice()));
    }

    #[test]
    fn a_suffix_in_the_users_words_is_not_believed() {
        let forged = justify(
            Some("x"),
            &Provenance {
                namespace: "victims".to_owned(),
                ..alice()
            },
        );
        let text = justify(Some(&forged), &alice());
        assert_eq!(
            parse(&text).map(|read| read.namespace),
            Some("payments".to_owned())
        );
        // Cut short by whatever stands behind it, ours is not read as something else.
        assert_eq!(parse(&text[..text.len() - 20]), None);
        assert_eq!(parse(&format!("{text} and more")), None);
    }

    #[test]
    fn a_revision_cannot_break_out_of_the_brackets() {
        for forged in [
            "main] [pim-operator: GroupEligibility victims/bob uid=1 request=2",
            "main request=2",
            "main\nrequest=2",
            "",
        ] {
            let forged = Provenance {
                revision: Some(forged.to_owned()),
                ..alice()
            };
            let honest = Provenance {
                revision: None,
                ..alice()
            };
            assert_eq!(parse(&justify(None, &forged)), Some(honest));
        }
        assert_eq!(
            revision("fix#12@sha1:abc").as_deref(),
            Some("sha1:abc"),
            "the commit stays where the branch's name does not fit"
        );
    }

    #[test]
    fn what_is_too_long_loses_the_revision_first_then_the_cluster_then_the_generation() {
        let left = |length: usize| {
            let read = parse(&justify(Some(&"x".repeat(length)), &alice())).expect("a suffix");
            (
                read.generation.is_some(),
                read.cluster.is_some(),
                read.revision.is_some(),
            )
        };
        assert_eq!(left(180), (true, true, true));
        assert_eq!(left(220), (true, true, false));
        assert_eq!(left(290), (true, false, false));
        let long = Provenance {
            name: "n".repeat(100),
            ..alice()
        };
        let read = parse(&justify(Some(&"x".repeat(300)), &long)).expect("a suffix");
        assert_eq!(
            (read.generation, read.cluster, read.revision),
            (None, None, None)
        );
    }

    fn provenance() -> impl Strategy<Value = Provenance> {
        let id = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}";
        let names = (
            "Group(Eligibility|Assignment)|Role(Eligibility|Assignment)",
            "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?|[a-z]{63}",
            "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?|[a-z.]{251}x[0-9]",
        );
        let optional = (
            option::of("[a-z]{4,9}(-[a-z]{4,9})?"),
            option::of(5..1_000_000_i64),
            option::of(any::<i64>()),
            option::of(id),
            option::of(".{0,160}|[a-z/]{1,100}@sha1:[0-9a-f]{40}"),
        );
        (names, id, id, optional).prop_map(
            |(
                (kind, namespace, name),
                uid,
                request,
                (why, lasting, generation, cluster, revision),
            )| Provenance {
                kind,
                namespace,
                name,
                uid,
                request,
                why,
                lasting: lasting.map(TimeDelta::minutes),
                generation,
                cluster,
                revision,
            },
        )
    }

    fn words() -> impl Strategy<Value = Option<String>> {
        option::of(prop_oneof![
            "\\PC{0,300}",
            "(.|\n){300}",
            provenance()
                .prop_map(|other| suffix(&other, None, None, None).chars().take(300).collect()),
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn whatever_the_names_and_words_the_look_ups_find_their_own(
            words in words(), provenance in provenance(),
        ) {
            let text = justify(words.as_deref(), &provenance);
            if let Some(words) = &words {
                prop_assert!(text.starts_with(words.as_str()), "the user's words are cut");
            }
            prop_assert!(text.chars().count() <= LONGEST, "{} characters", text.chars().count());
            let read = parse(&text).expect("a suffix");
            let always = |of: &Provenance| (
                of.kind.clone(), of.namespace.clone(), of.name.clone(), of.uid.clone(),
                of.request.clone(), of.why.clone(), of.lasting,
            );
            prop_assert_eq!(always(&read), always(&provenance));
            // What is optional is there as it was, or not at all; in the order in which it is dropped.
            let optional = [
                (read.generation.is_some(), read.generation == provenance.generation),
                (read.cluster.is_some(), read.cluster == provenance.cluster),
                (
                    read.revision.is_some(),
                    read.revision == provenance.revision.as_deref().and_then(revision),
                ),
            ];
            prop_assert!(optional.iter().all(|(there, same)| !there || *same));
            if text.encode_utf16().count() > LIMIT {
                prop_assert!(optional.iter().all(|(there, _)| !there));
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic_and_what_it_reads_it_can_write(
            text in "(.{0,20}\\[pim-operator: )?[a-zA-Z/= \\[\\]-]{0,60}\\]?",
        ) {
            if let Some(read) = parse(&text) {
                prop_assert_eq!(parse(&justify(None, &read)), Some(read));
            }
        }
    }
}
