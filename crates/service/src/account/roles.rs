//! Roles of the account's own. Nobody gives a role a permission that they do not have.

use std::sync::Arc;

use quartz_core::store::Batch;

use super::{Account, By, Change, State};
use crate::{
    Permissions,
    bounds::room,
    error::{Error, Result},
    roles::{BUILT_IN, built_in},
    rows::{
        self,
        role::{self, StoredRole},
    },
};

/// A role as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleEntry {
    /// Name.
    pub name: String,
    /// Whether every account has it.
    pub built_in: bool,
    /// What it may do.
    pub permissions: Permissions,
    /// What it is for.
    pub description: String,
}

impl Account {
    /// All roles: the built-in ones, then the account's own by name.
    #[must_use]
    pub fn roles(&self) -> Vec<RoleEntry> {
        let state = self.0.state.load();
        let built_in = BUILT_IN.iter().map(|role| RoleEntry {
            name: role.name.to_owned(),
            built_in: true,
            permissions: role.permissions,
            description: String::new(),
        });
        let own = state.roles.iter().map(|(name, role)| RoleEntry {
            name: name.clone(),
            built_in: false,
            permissions: role.permissions,
            description: role.description.clone(),
        });
        built_in.chain(own).collect()
    }

    /// Creates or changes a role; says whether it is new. Keys that have the role change with it.
    ///
    /// # Errors
    /// [`Error::Escalation`] for a permission that the caller does not have, [`Error::Conflict`] for
    /// the name of a built-in role, [`Error::TooMany`] at as many roles as there may be.
    pub async fn put_role(&self, by: &By, name: &str, wanted: StoredRole) -> Result<bool> {
        let most = self.0.ports.bounds.roles;
        self.change(by, |state| {
            not_built_in(name)?;
            if let Some(permission) = wanted.permissions.beyond(by.grant.permissions) {
                return Err(Error::Escalation {
                    permission: Some(permission),
                    reason: format!("you do not have the permission {permission} to give"),
                });
            }
            let is_new = !state.roles.contains_key(name);
            if is_new {
                room(state.roles.len(), most, "roles of its own", "roles")?;
            }
            let mut batch = Batch::default();
            batch.put(role::key(name), rows::encode(&wanted));
            let detail = format!("{:?}", wanted.permissions);
            let mut next = state.clone();
            next.roles.insert(name.to_owned(), Arc::new(wanted));
            next.hang_doors();
            Ok(change(batch, next, "role.put", name, detail, is_new))
        })
        .await
    }

    /// Deletes a role.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, [`Error::Conflict`] while a key or a member has it.
    pub async fn delete_role(&self, by: &By, name: &str) -> Result<()> {
        self.change(by, |state| {
            not_built_in(name)?;
            if !state.roles.contains_key(name) {
                return Err(Error::NotFound {
                    what: "role",
                    name: name.to_owned(),
                });
            }
            if let Some((number, _)) = state.keys.iter().find(|(_, key)| key.role == name) {
                let why = format!("the key {number} has the role {name:?}; revoke it first");
                return Err(Error::Conflict(why));
            }
            let members = state.members.iter().map(|(_, member)| &member.role);
            let invited = state.invitations.iter().map(|(_, one)| &one.role);
            if members.chain(invited).any(|role| role == name) {
                let why = format!("a member, or somebody invited, has the role {name:?}");
                return Err(Error::Conflict(why));
            }
            let mut batch = Batch::default();
            batch.delete(role::key(name));
            let mut next = state.clone();
            next.roles.remove(name);
            Ok(change(batch, next, "role.delete", name, String::new(), ()))
        })
        .await
    }
}

fn change<T>(
    batch: Batch,
    state: State,
    action: &'static str,
    name: &str,
    detail: String,
    answer: T,
) -> Change<T> {
    Change {
        batch,
        state,
        action,
        target: format!("role:{name}"),
        detail,
        answer,
    }
}

fn not_built_in(name: &str) -> Result<()> {
    if built_in(name).is_some() || name == crate::roles::OPERATOR.name {
        let why = format!("{name:?} is a built-in role and stays as it is");
        return Err(Error::Conflict(why));
    }
    Ok(())
}
