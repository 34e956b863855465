//! What was changed in policies, and who may see it when.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{PolicyScope, defaults};
use crate::error::GraphError;
use crate::world::World;

/// When and by whom a policy was changed last.
#[derive(Debug, Clone)]
pub(crate) struct Modified {
    pub at: DateTime<Utc>,
    pub by: String,
}

#[derive(Debug, Clone)]
struct Version {
    rules: Vec<Value>,
    modified: Option<Modified>,
}

#[derive(Debug)]
struct Stored {
    now: Version,
    /// What was there before the last write, for reads that lag.
    before: Version,
    written: DateTime<Utc>,
    /// Reads since then: replicas answer in turn.
    reads: u64,
}

/// A group that PIM does not know yet.
#[derive(Debug, Clone, Copy)]
struct Newcomer {
    not_found_until: DateTime<Utc>,
    not_found_reads: u32,
    /// Reads of policies and rules that still fail when the assignments are listed already.
    rules_not_found_reads: u32,
}

/// The policies of the tenant that differ from the defaults.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    changed: HashMap<PolicyScope, Stored>,
    newcomers: HashMap<Uuid, Newcomer>,
    /// The policy of the last write: what an ordered stale read does not see.
    last_written: Option<PolicyScope>,
}

/// How a policy is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub now: DateTime<Utc>,
    /// A stale read was ordered.
    pub stale: bool,
    /// How long replicas disagree after a write.
    pub lag: Duration,
}

impl Policies {
    /// The rules in force.
    pub fn rules(&self, scope: PolicyScope) -> &[Value] {
        self.changed
            .get(&scope)
            .map_or_else(|| defaults::of(scope), |stored| &stored.now.rules)
    }

    /// The policies that somebody changed.
    pub fn changed(&self) -> impl Iterator<Item = (PolicyScope, Option<&Modified>)> {
        self.changed
            .iter()
            .map(|(scope, stored)| (*scope, stored.now.modified.as_ref()))
    }

    /// When and by whom a policy was changed last.
    pub fn modified(&self, scope: PolicyScope) -> Option<&Modified> {
        self.changed
            .get(&scope)
            .and_then(|stored| stored.now.modified.as_ref())
    }

    /// The rules as a reader sees them, who may be behind: for some time after a write every other
    /// read is answered from before it.
    pub fn read(&mut self, scope: PolicyScope, reading: Reading) -> (&[Value], Option<&Modified>) {
        let stale = reading.stale && self.last_written == Some(scope);
        let Some(stored) = self.changed.get_mut(&scope) else {
            return (defaults::of(scope), None);
        };
        let settling = reading.now < stored.written + reading.lag;
        if settling {
            stored.reads += 1;
        }
        let behind = stale || (settling && stored.reads % 2 == 1);
        let version = if behind { &stored.before } else { &stored.now };
        (&version.rules, version.modified.as_ref())
    }

    /// Replaces the rules of a policy. An estate's own policies have no author.
    pub fn write(
        &mut self,
        scope: PolicyScope,
        rules: Vec<Value>,
        now: DateTime<Utc>,
        by: Option<String>,
    ) {
        let modified = by.map(|by| Modified { at: now, by });
        let version = Version { rules, modified };
        let before = match self.changed.remove(&scope) {
            Some(stored) => stored.now,
            None if version.modified.is_none() => version.clone(),
            None => Version {
                rules: defaults::of(scope).to_vec(),
                modified: None,
            },
        };
        let stored = Stored {
            now: version,
            before,
            written: now,
            reads: 0,
        };
        self.changed.insert(scope, stored);
        self.last_written = Some(scope);
    }

    /// A group was just made: PIM takes a while to notice.
    pub fn add_newcomer(
        &mut self,
        group: Uuid,
        not_found_until: DateTime<Utc>,
        not_found_reads: u32,
        rules_not_found_reads: u32,
    ) {
        let newcomer = Newcomer {
            not_found_until,
            not_found_reads,
            rules_not_found_reads,
        };
        self.newcomers.insert(group, newcomer);
    }
}

/// What is read of a group's policies: PIM knows the assignments of a new group before it can read
/// the policy behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Assignments,
    Rules,
}

impl World {
    /// Whether PIM manages the group: irreversible from the first request or policy change on.
    pub(crate) fn is_onboarded(&self, group: Uuid) -> bool {
        self.pim.group(group).is_some_and(|pim| pim.onboarded)
    }

    /// PIM manages the group from now on.
    pub(super) fn onboard(&mut self, scope: PolicyScope) {
        if let PolicyScope::Group { group, .. } = scope {
            self.pim.group_mut(group).onboarded = true;
        }
    }

    /// Refuses groups that are gone: their policies can still be read, but not changed.
    pub(super) fn check_living_group(&self, scope: PolicyScope) -> Result<(), GraphError> {
        match scope {
            PolicyScope::Group { group, .. } if self.directory.get(group).is_none() => {
                Err(GraphError::resource_not_found())
            }
            _ => Ok(()),
        }
    }

    /// Refuses groups that do not exist or that PIM does not know yet. Deleted groups keep their
    /// policies readable.
    pub(super) fn check_known_group(
        &mut self,
        group: Uuid,
        depth: Depth,
        now: DateTime<Utc>,
    ) -> Result<(), GraphError> {
        let exists = self
            .directory
            .known(group)
            .is_some_and(|entry| entry.group().is_some());
        if !exists {
            return Err(GraphError::resource_not_found());
        }
        if self.is_onboarded(group) {
            return Ok(());
        }
        let Some(newcomer) = self.policies.newcomers.get_mut(&group) else {
            return Ok(());
        };
        let left = if now < newcomer.not_found_until {
            return Err(GraphError::resource_not_found());
        } else if newcomer.not_found_reads > 0 || depth == Depth::Assignments {
            &mut newcomer.not_found_reads
        } else {
            &mut newcomer.rules_not_found_reads
        };
        if *left == 0 {
            return Ok(());
        }
        *left -= 1;
        Err(GraphError::resource_not_found())
    }
}
