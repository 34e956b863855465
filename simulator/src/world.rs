//! Everything that changes: directory, PIM, applications and behaviour, behind one lock.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::admin::AdminError;
use crate::behaviour::Behaviour;
use crate::directory::roles::Roles;
use crate::directory::{Class, Directory, Object};
use crate::engine::approval_routes::Reviews;
use crate::engine::input::{Action, Input};
use crate::engine::row::Row;
use crate::engine::store::Pim;
use crate::engine::target::{Resource, RoleScope, Service, Target};
use crate::engine::{Actor, store};
use crate::error::GraphError;
use crate::estate::{
    AdministrativeUnitSeed, ApplicationSeed, Estate, GroupPolicySeed, GroupSeed, IssuerSeed,
    ServicePrincipalSeed, TenantSeed,
};
use crate::policies::PolicyScope;
use crate::policies::contexts::AuthenticationContextSeed;
use crate::policies::store::Policies;
use crate::types::{Access, Kind, Window};

/// The state of the simulated tenant.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub tenant: TenantSeed,
    pub directory: Directory,
    pub roles: Roles,
    pub pim: Pim,
    pub policies: Policies,
    pub reviews: Reviews,
    pub authentication_contexts: Vec<AuthenticationContextSeed>,
    pub applications: Vec<ApplicationSeed>,
    pub issuers: Vec<IssuerSeed>,
    pub behaviour: Behaviour,
}

impl World {
    /// Builds the world of an estate.
    pub fn build(
        mut estate: Estate,
        behaviour: Behaviour,
        now: DateTime<Utc>,
    ) -> Result<Self, AdminError> {
        if let Some(size) = estate.generate.take() {
            estate.add_generated(size);
        }
        let mut world = Self {
            tenant: estate.tenant.clone(),
            behaviour,
            ..Self::default()
        };
        world.merge(estate, now, false)?;
        Ok(world)
    }

    /// Adds everything an estate names.
    pub fn merge(
        &mut self,
        mut estate: Estate,
        now: DateTime<Utc>,
        fresh: bool,
    ) -> Result<(), AdminError> {
        if let Some(size) = estate.generate.take() {
            estate.add_generated(size);
        }
        for seed in estate.issuers {
            self.publish_keys(seed);
        }
        for seed in &estate.users {
            self.directory.add(seed.id, seed.into(), now, fresh);
        }
        for seed in &estate.service_principals {
            self.add_service_principal(seed, now, fresh);
        }
        for seed in estate.applications {
            self.add_application(seed, now, fresh);
        }
        for seed in &estate.groups {
            self.add_group(seed, now, fresh);
        }
        for seed in &estate.groups {
            let group = match seed.id {
                Some(id) => id,
                None => self.find(Class::Group, &seed.display_name)?,
            };
            for (names, access) in [
                (&seed.members, Access::Member),
                (&seed.owners, Access::Owner),
            ] {
                for name in names {
                    let principal = self.find_principal(name)?;
                    self.add_plain(Target::Group { group, access }, principal, now);
                }
            }
            self.seed_policies(group, &seed.policy, now)?;
        }
        for seed in estate.authentication_contexts {
            self.publish_context(seed);
        }
        for seed in &estate.administrative_units {
            self.add_administrative_unit(seed, now, fresh)?;
        }
        for seed in &estate.role_definitions {
            self.roles.add(seed, now, fresh);
        }
        for seed in &estate.role_policies {
            let scope = self.role_policy(&seed.role)?;
            self.edit_policy(scope, &seed.policy, now, None)?;
        }
        for seed in &estate.role_assignments {
            let target = self.find_role_target(&seed.role, &seed.directory_scope_id)?;
            let principal = self.find_principal(&seed.principal)?;
            self.add_plain(target, principal, now);
        }
        for seed in estate.schedules {
            let group = self.find(Class::Group, &seed.group)?;
            let principal = self.find_principal(&seed.principal)?;
            let target = Target::Group {
                group,
                access: seed.access_id,
            };
            self.seed(
                seed.kind,
                target,
                principal,
                seed.window,
                seed.justification,
                now,
            )?;
        }
        for seed in estate.role_schedules {
            let target = self.find_role_target(&seed.role, &seed.directory_scope_id)?;
            let principal = self.find_principal(&seed.principal)?;
            self.seed(
                seed.kind,
                target,
                principal,
                seed.window,
                seed.justification,
                now,
            )?;
        }
        Ok(())
    }

    /// A grant of the estate, old enough not to be blocked by its age.
    fn seed(
        &mut self,
        kind: Kind,
        target: Target,
        principal: Uuid,
        window: Window,
        justification: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<(), AdminError> {
        let then = if window.start.is_some() {
            now
        } else {
            now - TimeDelta::days(1)
        };
        let action = Action::AdminAssign;
        let input = Input::from_window(action, target, principal, window, justification);
        self.create(kind, &input, &Actor::Portal, then)?;
        Ok(())
    }

    /// Replaces what an issuer publishes.
    pub fn publish_keys(&mut self, seed: IssuerSeed) {
        self.issuers.retain(|known| known.issuer != seed.issuer);
        self.issuers.push(seed);
    }

    /// Adds or replaces an authentication context.
    pub fn publish_context(&mut self, seed: AuthenticationContextSeed) {
        self.authentication_contexts
            .retain(|known| known.id != seed.id);
        self.authentication_contexts.push(seed);
    }

    /// Applies what an estate says of a group's policies.
    pub fn seed_policies(
        &mut self,
        group: Uuid,
        seed: &GroupPolicySeed,
        now: DateTime<Utc>,
    ) -> Result<(), AdminError> {
        for (patch, access) in [(&seed.member, Access::Member), (&seed.owner, Access::Owner)] {
            if let Some(patch) = patch {
                let scope = PolicyScope::Group { group, access };
                self.edit_policy(scope, patch, now, None)?;
            }
        }
        Ok(())
    }

    pub fn add_service_principal(
        &mut self,
        seed: &ServicePrincipalSeed,
        now: DateTime<Utc>,
        fresh: bool,
    ) -> Uuid {
        self.directory.add(seed.id, seed.into(), now, fresh)
    }

    /// Adds an application and its service principal.
    pub fn add_application(
        &mut self,
        mut seed: ApplicationSeed,
        now: DateTime<Utc>,
        fresh: bool,
    ) -> Uuid {
        let principal = ServicePrincipalSeed {
            id: seed.service_principal_id,
            app_id: Some(seed.client_id),
            display_name: seed.display_name.clone(),
        };
        let id = self.add_service_principal(&principal, now, fresh);
        seed.service_principal_id = Some(id);
        self.applications.push(seed);
        id
    }

    pub fn add_group(&mut self, seed: &GroupSeed, now: DateTime<Utc>, fresh: bool) -> Uuid {
        let id = self.directory.add(seed.id, seed.into(), now, fresh);
        let (not_found, failed) = if fresh {
            (
                self.behaviour.new_group_not_found_posts,
                self.behaviour.new_group_failed_posts,
            )
        } else {
            (0, 0)
        };
        let group = self.pim.group_mut(id);
        group.not_found_left = not_found;
        group.failed_left = failed;
        if fresh {
            let behaviour = &self.behaviour;
            self.policies.add_newcomer(
                id,
                now + behaviour.new_group_policy_lag,
                behaviour.new_group_policy_not_found_reads,
                behaviour.new_group_rules_not_found_reads,
            );
        }
        id
    }

    /// Adds an administrative unit with its members.
    pub fn add_administrative_unit(
        &mut self,
        seed: &AdministrativeUnitSeed,
        now: DateTime<Utc>,
        fresh: bool,
    ) -> Result<Uuid, AdminError> {
        let members = seed.members.iter().map(|name| self.find_principal(name));
        let members: Vec<Uuid> = members.collect::<Result<_, _>>()?;
        let id = self.directory.add(seed.id, seed.into(), now, fresh);
        self.directory.alter(id, |object| {
            if let Object::AdministrativeUnit(unit) = object {
                unit.members = members;
            }
        });
        Ok(id)
    }

    /// Adds a membership, ownership or role assignment outside PIM.
    pub fn add_plain(&mut self, target: Target, principal: Uuid, now: DateTime<Utc>) {
        let seq = self.pim.next_seq();
        self.pim.add_row(Row {
            seq,
            kind: Kind::Assignment,
            target,
            principal,
            id_part: principal,
            created_using: None,
            activated_using: None,
            activated: false,
            created: now,
            start: now,
            effective: now,
            end: None,
            listed_from: now,
            instance_from: now,
            died: None,
            died_seq: 0,
            listed_until: now,
            stuck: false,
        });
    }

    /// Deletes an object; its rows linger as ghosts.
    pub fn delete(&mut self, id: Uuid, now: DateTime<Utc>) -> bool {
        let was_group = self
            .directory
            .get(id)
            .is_some_and(|entry| entry.group().is_some());
        if !self.directory.delete(id, now) {
            return false;
        }
        let gone = now + self.behaviour.ghosts_linger_for;
        let held: Vec<_> = self.pim.resources_of(id).collect();
        for resource in held {
            self.pim
                .kill(resource, now, gone, |row| row.principal == id);
        }
        if was_group {
            self.pim.kill(Resource::Group(id), now, gone, |_| true);
        }
        for role in self.pim.resources(Service::Roles) {
            self.pim.kill(role, now, gone, |row| {
                matches!(row.target, Target::Role { scope, .. } if scope.object() == Some(id))
            });
        }
        true
    }

    /// Deletes a custom role; its rows linger as ghosts.
    pub fn delete_role(&mut self, role: Uuid, now: DateTime<Utc>) {
        self.roles.delete(role);
        let gone = now + self.behaviour.ghosts_linger_for;
        self.pim.kill(Resource::Role(role), now, gone, |_| true);
    }

    /// Refuses every PIM call of a tenant without the licence.
    pub fn check_licence(&self) -> Result<(), GraphError> {
        if self.behaviour.licensed {
            return Ok(());
        }
        Err(GraphError::bad_request(
            "AadPremiumLicenseRequired",
            "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license.",
        ))
    }

    /// Applies what time has done to the groups and roles that a call will look at.
    pub fn settle(&mut self, resources: &[Resource], now: DateTime<Utc>) {
        for resource in resources {
            self.pim.settle(*resource, now, &self.directory);
        }
    }

    /// The view of a plain or stale read.
    pub fn view(&self, now: DateTime<Utc>, stale: bool) -> store::View {
        store::View {
            now,
            as_of: stale.then(|| self.pim.stale_limit()),
        }
    }

    /// An object of a class by id, user principal name, client id or display name.
    pub fn find(&self, class: Class, name: &str) -> Result<Uuid, AdminError> {
        self.lookup(&[class], name)
    }

    /// A principal of any class.
    pub fn find_principal(&self, name: &str) -> Result<Uuid, AdminError> {
        self.lookup(&[Class::User, Class::Group, Class::ServicePrincipal], name)
    }

    /// A role definition by id or display name.
    pub fn find_role(&self, name: &str) -> Result<Uuid, AdminError> {
        let by_id = Uuid::try_parse(name).ok().and_then(|id| self.roles.get(id));
        if let Some(role) = by_id {
            return Ok(role.id);
        }
        match self.roles.by_name(name).as_slice() {
            [one] => Ok(one.id),
            [] => Err(AdminError::NotFound {
                what: "role",
                name: name.to_owned(),
            }),
            _ => Err(AdminError::Ambiguous {
                name: name.to_owned(),
            }),
        }
    }

    /// A role at a scope; the administrative unit may be given by its name.
    pub fn find_role_target(&self, role: &str, scope: &str) -> Result<Target, AdminError> {
        let role = self.find_role(role)?;
        let scope = match (
            RoleScope::parse(scope),
            scope.strip_prefix("/administrativeUnits/"),
        ) {
            (Some(scope), _) => scope,
            (None, Some(name)) => {
                RoleScope::AdministrativeUnit(self.find(Class::AdministrativeUnit, name)?)
            }
            (None, None) => {
                return Err(AdminError::NotFound {
                    what: "scope",
                    name: scope.to_owned(),
                });
            }
        };
        Ok(Target::Role { role, scope })
    }

    fn lookup(&self, classes: &[Class], name: &str) -> Result<Uuid, AdminError> {
        let fits = |object: &Object| classes.contains(&object.class());
        if let Ok(id) = Uuid::try_parse(name) {
            let entry = self
                .directory
                .get(id)
                .or_else(|| self.directory.by_app_id(id));
            if let Some(entry) = entry.filter(|entry| fits(&entry.object)) {
                return Ok(entry.id);
            }
        }
        if let Some(entry) = self
            .directory
            .by_upn(name)
            .filter(|entry| fits(&entry.object))
        {
            return Ok(entry.id);
        }
        let found: Vec<_> = classes
            .iter()
            .flat_map(|class| self.directory.by_name(*class, name))
            .collect();
        match found.as_slice() {
            [one] => Ok(one.id),
            [] => Err(AdminError::NotFound {
                what: classes.first().map_or("object", |class| {
                    let set = class.set().trim_start_matches("directory/");
                    set.trim_end_matches('s')
                }),
                name: name.to_owned(),
            }),
            _ => Err(AdminError::Ambiguous {
                name: name.to_owned(),
            }),
        }
    }
}
