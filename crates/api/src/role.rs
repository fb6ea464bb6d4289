use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A named set of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    /// Name.
    pub name: String,
    /// Whether every account has it; then it cannot be changed.
    pub built_in: bool,
    /// What it may do, ascending by name.
    pub permissions: Vec<String>,
    /// What it is for.
    pub description: String,
}

/// All roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleList {
    /// The built-in ones, then the account's own by name.
    pub roles: Vec<Role>,
}

/// What a role is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutRole {
    /// What it may do: permissions that the caller has.
    #[schema(max_items = 64, example = json!(["records:read", "namespaces:read"]))]
    pub permissions: Vec<String>,
    /// What it is for, up to 512 bytes.
    #[serde(default)]
    #[schema(max_length = 512)]
    pub description: String,
}
