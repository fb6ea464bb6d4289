//! Built-in roles. An account may add its own; their names must differ from these.

use crate::{Permission as P, Permissions};

/// A role that every account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// What it may do.
    pub permissions: Permissions,
}

/// Everything in an account.
pub const OWNER: BuiltIn = BuiltIn {
    name: "owner",
    permissions: Permissions::all_but(&[P::Operate]),
};

/// Everything but what costs the account its money or its life.
pub const ADMIN: BuiltIn = BuiltIn {
    name: "admin",
    permissions: Permissions::all_but(&[P::Operate, P::AccountClose, P::BillingWrite]),
};

/// Namespaces and what is in them.
pub const DEVELOPER: BuiltIn = BuiltIn {
    name: "developer",
    permissions: Permissions::of(&[
        P::NamespacesRead,
        P::NamespacesWrite,
        P::NamespacesDelete,
        P::RecordsRead,
        P::RecordsWrite,
        P::AccountRead,
        P::UsageRead,
    ]),
};

/// Sees everything, changes nothing.
pub const AUDITOR: BuiltIn = BuiltIn {
    name: "auditor",
    permissions: Permissions::of(&[
        P::NamespacesRead,
        P::RecordsRead,
        P::KeysRead,
        P::RolesRead,
        P::AccountRead,
        P::AuditRead,
        P::UsageRead,
        P::BillingRead,
        P::MembersRead,
        P::WebhooksRead,
    ]),
};

/// Reads data, changes nothing.
pub const READER: BuiltIn = BuiltIn {
    name: "reader",
    permissions: Permissions::of(&[P::NamespacesRead, P::RecordsRead]),
};

/// Sees usage, sets the budget; sees no data.
pub const BILLING: BuiltIn = BuiltIn {
    name: "billing",
    permissions: Permissions::of(&[
        P::AccountRead,
        P::UsageRead,
        P::BillingRead,
        P::BillingWrite,
    ]),
};

/// Runs the server. Only the first account's own root key has it; no key or member can be given it.
pub const OPERATOR: BuiltIn = BuiltIn {
    name: "operator",
    permissions: Permissions::of(P::ALL),
};

/// Those that keys and members can have.
pub const BUILT_IN: [BuiltIn; 6] = [OWNER, ADMIN, DEVELOPER, AUDITOR, READER, BILLING];

/// The permissions of a built-in role.
#[must_use]
pub fn built_in(name: &str) -> Option<Permissions> {
    let role = BUILT_IN.iter().find(|role| role.name == name);
    role.map(|role| role.permissions)
}
