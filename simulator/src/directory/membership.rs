//! Memberships and roles: an active row, made by PIM or not, is an ordinary one while it is in force.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Class;
use crate::engine::target::{RoleScope, Target};
use crate::types::{Access, Kind};
use crate::world::World;

impl World {
    /// Direct members or owners of a group, in order of joining.
    pub fn members_of(&self, group: Uuid, access: Access, now: DateTime<Utc>) -> Vec<Uuid> {
        let Some(pim) = self.pim.group(group) else {
            return Vec::new();
        };
        let target = Target::Group { group, access };
        let mut seen = HashSet::new();
        pim.rows
            .iter()
            .filter(|row| row.kind == Kind::Assignment && row.target == target)
            .filter(|row| row.in_force(now) && self.directory.get(row.principal).is_some())
            .map(|row| row.principal)
            .filter(|principal| seen.insert(*principal))
            .collect()
    }

    /// Members of a group and of the groups in it.
    pub fn members_through(&self, group: Uuid, now: DateTime<Utc>) -> Vec<Uuid> {
        let mut seen = HashSet::from([group]);
        let mut found = Vec::new();
        let mut open = vec![group];
        while let Some(group) = open.pop() {
            for member in self.members_of(group, Access::Member, now) {
                if seen.insert(member) {
                    found.push(member);
                    if self.is_group(member) {
                        open.push(member);
                    }
                }
            }
        }
        found
    }

    /// Groups that a principal is a member of, directly or through other groups.
    pub fn groups_around(&self, principal: Uuid, now: DateTime<Utc>) -> Vec<Uuid> {
        let mut seen = HashSet::new();
        let mut open = vec![principal];
        while let Some(inner) = open.pop() {
            for group in self.pim.groups_of(inner) {
                let membership = Target::Group {
                    group,
                    access: Access::Member,
                };
                let member =
                    self.directory.get(group).is_some() && self.holds(inner, membership, now);
                if member && seen.insert(group) {
                    open.push(group);
                }
            }
        }
        let mut groups: Vec<_> = seen.into_iter().collect();
        groups.sort_unstable();
        groups
    }

    /// Whether a principal itself has this now.
    pub fn holds(&self, principal: Uuid, target: Target, now: DateTime<Utc>) -> bool {
        self.pim.book(target.resource()).is_some_and(|book| {
            book.alive(Kind::Assignment, principal, target, now)
                .any(|row| row.in_force(now))
        })
    }

    /// Whether a person has one of these roles in the whole tenant, also through a group.
    pub fn holds_role(&self, person: Uuid, any_of: &[Uuid], now: DateTime<Utc>) -> bool {
        let mut holders = self.groups_around(person, now);
        holders.push(person);
        any_of.iter().any(|role| {
            let target = Target::Role {
                role: *role,
                scope: RoleScope::Tenant,
            };
            holders
                .iter()
                .any(|holder| self.holds(*holder, target, now))
        })
    }

    fn is_group(&self, id: Uuid) -> bool {
        self.directory
            .get(id)
            .is_some_and(|entry| entry.object.class() == Class::Group)
    }
}
