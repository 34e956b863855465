//! What clients wrote, as the API server saw it: its audit log, limited to the kinds an operator writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use crate::Error;

/// Every write to our own kinds, to Events and to Leases, and every request of a service account; nothing else, so that the log
/// stays small.
pub(crate) const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: [system:serviceaccounts]
- level: Metadata
  verbs: [create, update, patch, delete]
  resources:
  - group: entrapim.dev
  - {group: "", resources: [events]}
  - {group: events.k8s.io, resources: [events]}
  - {group: coordination.k8s.io, resources: [leases]}
- level: None
"#;

/// One request that the API server answered, accepted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Who sent it, such as `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// `create`, `update`, `patch` or `delete`; of a service account also `get`, `list` and `watch`.
    pub verb: String,
    /// The API group; empty for the core.
    pub group: String,
    /// The plural name, such as `groupeligibilities`.
    pub resource: String,
    /// `status`, for example; empty for the object itself.
    pub subresource: String,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    /// Empty for a create.
    pub name: String,
    /// As the client sent it.
    pub user_agent: String,
    /// The HTTP status of the answer.
    pub response_code: u16,
}

impl AuditEvent {
    /// Whether it was a write to our own kinds, to Events or to Leases.
    pub(crate) fn is_counted(&self) -> bool {
        let verb = matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete");
        let resource = match self.group.as_str() {
            "entrapim.dev" => true,
            "" | "events.k8s.io" => self.resource == "events",
            "coordination.k8s.io" => self.resource == "leases",
            _ => false,
        };
        verb && resource
    }
}

/// How many writes of each sort a client sent, accepted or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteCounts {
    /// POST
    pub create: usize,
    /// PUT
    pub update: usize,
    /// PATCH, including server-side apply
    pub patch: usize,
    /// DELETE
    pub delete: usize,
}

impl WriteCounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> usize {
        self.create + self.update + self.patch + self.delete
    }
}

/// Counts the writes of clients whose user agent starts with `user_agent_prefix` (all clients, if empty),
/// by resource: `leases`, or `groupeligibilities/status` for a subresource.
#[must_use]
pub fn count_writes(
    events: &[AuditEvent],
    user_agent_prefix: &str,
) -> BTreeMap<String, WriteCounts> {
    let mut counts: BTreeMap<String, WriteCounts> = BTreeMap::new();
    for event in events
        .iter()
        .filter(|event| event.user_agent.starts_with(user_agent_prefix))
    {
        let resource = match event.subresource.as_str() {
            "" => event.resource.clone(),
            subresource => format!("{}/{subresource}", event.resource),
        };
        let count = counts.entry(resource).or_default();
        match event.verb.as_str() {
            "create" => count.create += 1,
            "update" => count.update += 1,
            "patch" => count.patch += 1,
            "delete" => count.delete += 1,
            _ => {} // the policy logs no other verb
        }
    }
    counts
}

/// The events that were logged after the log was `mark` bytes long.
pub(crate) fn read_since(log: &Path, mark: u64) -> Result<Vec<AuditEvent>, Error> {
    let mut tail = Vec::new();
    // One byte early: it tells whether the mark fell between two lines or into one.
    let start = mark.saturating_sub(1);
    File::open(log)
        .and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.read_to_end(&mut tail)
        })
        .map_err(Error::io("reading", log))?;
    // A line that had begun at the mark belongs to the time before it.
    let begun = match mark {
        0 => 0,
        _ => tail
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(tail.len(), |end| end + 1),
    };
    Ok(parse(&tail[begun..])?)
}

/// The events of a user that were logged after the log was `from` bytes long, which has to be the end of a line; and the end of
/// the last whole line, to go on from. Other users' lines cost next to nothing.
pub(crate) fn of_user_since(
    log: &Path,
    user: &str,
    from: u64,
) -> Result<(Vec<AuditEvent>, u64), Error> {
    let mut tail = Vec::new();
    File::open(log)
        .and_then(|mut file| {
            file.seek(SeekFrom::Start(from))?;
            file.read_to_end(&mut tail)
        })
        .map_err(Error::io("reading", log))?;
    tail.truncate(whole_lines(&tail));
    let name = format!("\"{user}\"");
    let text = String::from_utf8_lossy(&tail);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(&name)).collect();
    let mut events = parse((lines.join("\n") + "\n").as_bytes())?;
    events.retain(|event| event.user == user);
    Ok((events, from + tail.len() as u64))
}

/// The end of the last whole line.
fn whole_lines(log: &[u8]) -> usize {
    log.iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1)
}

/// An unfinished last line is left out.
fn parse(log: &[u8]) -> Result<Vec<AuditEvent>, serde_json::Error> {
    log[..whole_lines(log)]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<Line>(line).map(AuditEvent::from))
        .collect()
}

/// The parts of an `audit.k8s.io/v1` Event that we read.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Line {
    verb: String,
    user: User,
    user_agent: String,
    object_ref: ObjectRef,
    response_status: ResponseStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        Self {
            user: line.user.username,
            verb: line.verb,
            group: line.object_ref.api_group,
            resource: line.object_ref.resource,
            subresource: line.object_ref.subresource,
            namespace: line.object_ref.namespace,
            name: line.object_ref.name,
            user_agent: line.user_agent,
            response_code: line.response_status.code,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a failed set-up step should fail the test"
    )]

    use super::*;

    const LOG: &str = concat!(
        r#"{"kind":"Event","stage":"ResponseComplete","verb":"patch","userAgent":"pim-operator/0.1","objectRef":{"resource":"groupeligibilities","namespace":"a","name":"x","apiGroup":"entrapim.dev","subresource":"status"},"responseStatus":{"metadata":{},"code":200}}"#,
        "\n",
        r#"{"verb":"create","userAgent":"kubectl/v1","objectRef":{"resource":"events","namespace":"a"},"responseStatus":{"code":409}}"#,
        "\n",
        r#"{"verb":"upda"#,
    );

    #[test]
    fn an_unfinished_last_line_is_left_out() {
        let events = parse(LOG.as_bytes()).unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].response_code, 409);
        assert_eq!(parse(b"{").unwrap(), []);
    }

    #[test]
    fn a_mark_within_a_line_counts_that_line_as_earlier() {
        let log = std::env::temp_dir().join(format!("pim-testbed-audit-{}", std::process::id()));
        std::fs::write(&log, LOG).unwrap();
        let second_line = LOG.find('\n').unwrap() as u64 + 1;
        let seen: Vec<usize> = [0, 1, second_line, second_line + 1, LOG.len() as u64]
            .map(|mark| read_since(&log, mark).unwrap().len())
            .into();
        std::fs::remove_file(&log).unwrap();
        assert_eq!(seen, [2, 1, 1, 0, 0]);
    }

    #[test]
    fn a_users_events_are_read_from_where_the_last_reading_ended() {
        let log = std::env::temp_dir().join(format!("pim-testbed-user-{}", std::process::id()));
        let line = |user: &str, verb: &str| {
            format!(r#"{{"verb":"{verb}","user":{{"username":"{user}"}}}}"#)
        };
        let (mine, other) = (line("me", "get"), line("me-too", "list"));
        let begun = line("me", "watch");
        let (half, rest) = begun.split_at(12);
        std::fs::write(&log, format!("{other}\n{mine}\n{half}")).unwrap();
        let verbs = |from| {
            let (events, end) = of_user_since(&log, "me", from).unwrap();
            (
                events
                    .into_iter()
                    .map(|event| event.verb)
                    .collect::<Vec<_>>(),
                end,
            )
        };
        let (first, end) = verbs(0);
        assert_eq!(first, ["get"]);
        assert_eq!(verbs(end), (vec![], end));
        std::fs::write(&log, format!("{other}\n{mine}\n{half}{rest}\n")).unwrap();
        assert_eq!(verbs(end).0, ["watch"]);
        std::fs::remove_file(&log).unwrap();
    }

    #[test]
    fn writes_are_counted_by_resource_and_client() {
        let events = parse(LOG.as_bytes()).unwrap();
        let ours = count_writes(&events, "pim-operator/");
        let patch = WriteCounts {
            patch: 1,
            ..WriteCounts::default()
        };
        assert_eq!(
            ours,
            BTreeMap::from([("groupeligibilities/status".to_owned(), patch)])
        );
        assert_eq!(
            count_writes(&events, "")
                .values()
                .map(WriteCounts::total)
                .sum::<usize>(),
            2
        );
    }
}
