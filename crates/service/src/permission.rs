use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! permissions {
    ($($(#[doc = $doc:literal])+ $name:ident = $bit:literal, $wire:literal;)+) => {
        /// One thing that may be done. Its number is a bit of stored roles and never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Permission {
            $($(#[doc = $doc])+ $name = $bit,)+
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// As it stands in requests and answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire),+ }
            }
        }
    };
}

permissions! {
    /// See namespaces and their counts.
    NamespacesRead = 0, "namespaces:read";
    /// Create namespaces.
    NamespacesWrite = 1, "namespaces:write";
    /// Delete namespaces with all that is in them.
    NamespacesDelete = 2, "namespaces:delete";
    /// Read, search and export records.
    RecordsRead = 3, "records:read";
    /// Write, import and delete records; the first write creates the namespace.
    RecordsWrite = 4, "records:write";
    /// See API keys, not their secrets.
    KeysRead = 5, "keys:read";
    /// Create, rotate and revoke API keys.
    KeysWrite = 6, "keys:write";
    /// See roles.
    RolesRead = 7, "roles:read";
    /// Create, change and delete roles.
    RolesWrite = 8, "roles:write";
    /// See the account.
    AccountRead = 9, "account:read";
    /// Change the account.
    AccountWrite = 10, "account:write";
    /// Close the account and erase everything in it.
    AccountClose = 11, "account:close";
    /// Read the audit log.
    AuditRead = 12, "audit:read";
    /// See what was used.
    UsageRead = 13, "usage:read";
    /// See plan and budget.
    BillingRead = 14, "billing:read";
    /// Set the budget.
    BillingWrite = 15, "billing:write";
    /// See members and invitations.
    MembersRead = 16, "members:read";
    /// Invite, change and remove members.
    MembersWrite = 17, "members:write";
    /// See webhooks and what was delivered.
    WebhooksRead = 18, "webhooks:read";
    /// Create, change, delete and replay webhooks.
    WebhooksWrite = 19, "webhooks:write";
    /// Run the server: all accounts, their plans, suspension.
    Operate = 63, "operate";
}

impl Permission {
    /// The permission of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|permission| permission.as_str() == name)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions(u64);

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);

    /// These.
    #[must_use]
    pub const fn of(list: &[Permission]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < list.len() {
            bits |= 1 << list[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// All but these.
    #[must_use]
    pub const fn all_but(list: &[Permission]) -> Self {
        Self(Self::of(Permission::ALL).0 & !Self::of(list).0)
    }

    /// Whether `permission` is among them.
    #[must_use]
    pub const fn allow(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u8) != 0
    }

    /// One of these that `other` does not have.
    #[must_use]
    pub fn beyond(self, other: Self) -> Option<Permission> {
        self.iter().find(|permission| !other.allow(*permission))
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// In the order of their numbers. A bit that no permission has is left out.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .iter()
            .copied()
            .filter(move |permission| self.allow(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<T: IntoIterator<Item = Permission>>(list: T) -> Self {
        Self(list.into_iter().fold(0, |bits, one| bits | 1 << one as u8))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Permission::as_str))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_names() {
        for &permission in Permission::ALL {
            assert_eq!(Permission::named(permission.as_str()), Some(permission));
        }
        let few = Permissions::of(&[Permission::KeysRead, Permission::Operate]);
        let most = Permissions::all_but(&[Permission::Operate]);
        assert_eq!(few.beyond(most), Some(Permission::Operate));
        assert_eq!(few.and(most).beyond(most), None);
        assert_eq!(few.iter().collect::<Permissions>(), few);
    }
}
