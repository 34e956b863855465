//! Names and ids of the directory, looked up once and remembered for a while.
//!
//! Ids are asked for in bulk: whoever asks within the same few milliseconds shares one `getByIds` call, and the ids that other
//! new objects are going to ask for come along, so a thousand new objects cost a handful of calls. Resolved ids are pinned
//! in each object's status, so a restart asks nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use tokio::sync::{OnceCell, oneshot};

use super::{clock::Clock, wakeups::lock};
use crate::api::guid::Guid;
use crate::graph::{
    AdministrativeUnit, Advice, DirectoryObject, GraphClient, GraphError, GroupObject, ObjectKind,
    RoleDefinition,
};

/// How long an answer is believed.
const MEMORY: TimeDelta = TimeDelta::minutes(5);
/// How long the first of several questions waits for the others.
const GATHERING: Duration = Duration::from_millis(15);

/// The most ids that are asked for because of what is foreseen: Graph's bound on one call.
const IDS_PER_CALL: usize = 1000;

/// Names the ids that will be asked for soon.
pub type Foreseen = Box<dyn Fn() -> HashSet<Guid> + Send + Sync>;

type ById = Result<Option<DirectoryObject>, GraphError>;

/// What one tenant's directory said.
pub struct Directory {
    clock: Arc<dyn Clock>,
    client: GraphClient,
    foreseen: Foreseen,
    objects: Mutex<HashMap<String, (DateTime<Utc>, DirectoryObject)>>,
    waiting: Mutex<Vec<(String, oneshot::Sender<ById>)>>,
    users: Cache<DirectoryObject>,
    service_principals: Cache<DirectoryObject>,
    groups: Cache<Vec<GroupObject>>,
    group_ids: Cache<GroupObject>,
    roles: Cache<Arc<Vec<RoleDefinition>>>,
    unit_names: Cache<Vec<AdministrativeUnit>>,
    units: Cache<AdministrativeUnit>,
}

impl Directory {
    /// Nothing asked yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, client: GraphClient, foreseen: Foreseen) -> Arc<Self> {
        Arc::new(Self {
            clock,
            client,
            foreseen,
            objects: Mutex::default(),
            waiting: Mutex::default(),
            users: Cache::default(),
            service_principals: Cache::default(),
            groups: Cache::default(),
            group_ids: Cache::default(),
            roles: Cache::default(),
            unit_names: Cache::default(),
            units: Cache::default(),
        })
    }

    /// A user by user principal name.
    ///
    /// # Errors
    /// When the look-up failed.
    pub async fn user(&self, name: &str) -> Result<Option<DirectoryObject>, GraphError> {
        let found = self
            .users
            .get(name, self.clock.now(), || self.client.user(name))
            .await?;
        self.remember(found.as_ref());
        Ok(found)
    }

    /// A service principal by its application's id.
    ///
    /// # Errors
    /// When the look-up failed.
    pub async fn service_principal(
        &self,
        app_id: &str,
    ) -> Result<Option<DirectoryObject>, GraphError> {
        let ask = || self.client.service_principal_by_app_id(app_id);
        let found = self
            .service_principals
            .get(app_id, self.clock.now(), ask)
            .await?;
        self.remember(found.as_ref());
        Ok(found)
    }

    /// An object that was found by name is known by its id too.
    fn remember(&self, found: Option<&DirectoryObject>) {
        if let Some(object) = found {
            let entry = (self.clock.now(), object.clone());
            lock(&self.objects).insert(object.id.to_ascii_lowercase(), entry);
        }
    }

    /// Every group of a display name.
    ///
    /// # Errors
    /// When the look-up failed.
    pub async fn groups_named(&self, name: &str) -> Result<Vec<GroupObject>, GraphError> {
        let ask = || {
            self.client
                .groups_by_name(name)
                .map(|found| found.map(|groups| (!groups.is_empty()).then_some(groups)))
        };
        Ok(self
            .groups
            .get(name, self.clock.now(), ask)
            .await?
            .unwrap_or_default())
    }

    /// A group by id.
    ///
    /// # Errors
    /// When the look-up failed.
    pub async fn group(self: &Arc<Self>, id: &str) -> Result<Option<GroupObject>, GraphError> {
        let ask = || async {
            let found = self.object(id).await?;
            Ok(found
                .filter(|object| object.kind == ObjectKind::Group)
                .map(as_group))
        };
        self.group_ids.get(id, self.clock.now(), ask).await
    }

    /// Every role of the tenant.
    ///
    /// # Errors
    /// When the look-up failed.
    pub async fn roles(&self) -> Result<Arc<Vec<RoleDefinition>>, GraphError> {
        let ask = || async { Ok(Some(Arc::new(self.client.role_definitions().await?))) };
        let found = self.roles.get("", self.clock.now(), ask).await?;
        Ok(found.unwrap_or_default())
    }

    /// Has the roles listed anew for the next who asks: one that is not in the list may be new.
    pub fn forget_roles(&self) {
        self.roles.forget();
    }

    /// Every administrative unit of a display name.
    ///
    /// # Errors
    /// When the look-up failed.
    pub async fn administrative_units_named(
        &self,
        name: &str,
    ) -> Result<Vec<AdministrativeUnit>, GraphError> {
        let ask = || async {
            let found = self.client.administrative_units_by_name(name).await?;
            Ok((!found.is_empty()).then_some(found))
        };
        let found = self.unit_names.get(name, self.clock.now(), ask).await?;
        Ok(found.unwrap_or_default())
    }

    /// An administrative unit by id.
    ///
    /// # Errors
    /// When the look-up failed.
    pub async fn administrative_unit(
        &self,
        id: &str,
    ) -> Result<Option<AdministrativeUnit>, GraphError> {
        let ask = || self.client.administrative_unit(id);
        self.units.get(id, self.clock.now(), ask).await
    }

    /// An object of any kind by id.
    ///
    /// # Errors
    /// When the look-up failed.
    pub async fn object(self: &Arc<Self>, id: &str) -> ById {
        if let Some(object) = self.known_object(id) {
            return Ok(Some(object));
        }
        let (sender, receiver) = oneshot::channel();
        let first = {
            let mut waiting = lock(&self.waiting);
            waiting.push((id.to_owned(), sender));
            waiting.len() == 1
        };
        if first {
            let directory = Arc::clone(self);
            tokio::spawn(async move { directory.ask_for_all().await });
        }
        // The sender can only be lost with the task, when the process ends.
        match receiver.await.unwrap_or(Ok(None)) {
            // To ask for ids of any kind takes a wider permission than to read each kind does.
            Err(error) if matches!(error.advice(), Advice::FixPermissions { .. }) => {
                self.object_of_each_kind(id).await
            }
            answer => answer,
        }
    }

    /// The same, asked anew: what was known of it counts no more.
    ///
    /// # Errors
    /// When the look-up failed.
    pub async fn object_now(self: &Arc<Self>, id: &str) -> ById {
        lock(&self.objects).remove(id);
        self.object(id).await
    }

    /// Looks for an id among groups, service principals and users, in this order: the operator needs to read the first two in
    /// any case.
    async fn object_of_each_kind(&self, id: &str) -> ById {
        let mut found = self.client.group(id).await?.map(DirectoryObject::from);
        if found.is_none() {
            found = self.client.service_principal(id).await?;
        }
        if found.is_none() {
            found = self.client.user(id).await?;
        }
        self.remember(found.as_ref());
        Ok(found)
    }

    /// Whether a group may hold directory roles, as far as it is known without asking.
    #[must_use]
    pub fn known_role_assignable(&self, id: &str) -> Option<bool> {
        let object = self.known_object(id)?;
        Some(object.is_assignable_to_role == Some(true))
    }

    /// An object that was looked up lately.
    pub(super) fn known_object(&self, id: &str) -> Option<DirectoryObject> {
        let now = self.clock.now();
        lock(&self.objects)
            .get(id)
            .filter(|(at, _)| now - *at < MEMORY)
            .map(|(_, object)| object.clone())
    }

    async fn ask_for_all(&self) {
        tokio::time::sleep(GATHERING).await;
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        let mut ids: HashSet<String> = waiting.iter().map(|(id, _)| id.clone()).collect();
        for id in (self.foreseen)() {
            if ids.len() >= IDS_PER_CALL {
                break;
            }
            if self.known_object(id.as_str()).is_none() {
                ids.insert(id.to_string());
            }
        }
        let ids: Vec<String> = ids.into_iter().collect();
        let found = self.client.objects_by_ids(&ids).await.map(|objects| {
            objects
                .into_iter()
                .map(|object| (object.id.to_ascii_lowercase(), object))
                .collect::<HashMap<_, _>>()
        });
        let now = self.clock.now();
        let known = found.iter().flatten();
        lock(&self.objects).extend(known.map(|(id, object)| (id.clone(), (now, object.clone()))));
        for (id, sender) in waiting {
            let answer = match &found {
                Ok(objects) => Ok(objects.get(&id).cloned()),
                Err(error) => Err(error.clone()),
            };
            // Whoever asked may have gone.
            let _ = sender.send(answer);
        }
    }

    /// Gives back the memory of answers that are not believed any more.
    pub fn forget_old_answers(&self) {
        let now = self.clock.now();
        lock(&self.objects).retain(|_, (at, _)| now - *at < MEMORY);
    }
}

fn as_group(object: DirectoryObject) -> GroupObject {
    GroupObject {
        id: object.id,
        display_name: object.display_name,
        group_types: object.group_types,
        membership_rule: object.membership_rule,
        on_premises_sync_enabled: object.on_premises_sync_enabled,
        is_assignable_to_role: object.is_assignable_to_role,
        security_enabled: None,
    }
}

/// Answers by question. What was found is believed for [`MEMORY`]; what was not found is asked again each time, because
/// new objects appear; errors are never kept.
struct Cache<T> {
    answers: Mutex<HashMap<String, Asked<T>>>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
        }
    }
}

impl<T: Clone> Cache<T> {
    fn forget(&self) {
        lock(&self.answers).clear();
    }

    async fn get<F, Fut>(
        &self,
        question: &str,
        now: DateTime<Utc>,
        ask: F,
    ) -> Result<Option<T>, GraphError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<T>, GraphError>>,
    {
        let cell = {
            let mut answers = lock(&self.answers);
            answers.retain(|_, (at, _)| now - *at < MEMORY);
            let (_, cell) = answers
                .entry(question.to_owned())
                .or_insert_with(|| (now, Arc::default()));
            Arc::clone(cell)
        };
        let answer = cell
            .get_or_try_init(|| async { ask().await.map_err(Miss::Failed)?.ok_or(Miss::NotFound) })
            .await;
        match answer {
            Ok(found) => Ok(Some(found.clone())),
            Err(Miss::NotFound) => Ok(None),
            Err(Miss::Failed(error)) => Err(error),
        }
    }
}

/// When a question was asked, and the answer to come.
type Asked<T> = (DateTime<Utc>, Arc<OnceCell<T>>);

enum Miss {
    NotFound,
    Failed(GraphError),
}
