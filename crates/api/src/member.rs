use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A person in an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Number in the account.
    pub id: u32,
    /// Their e-mail address.
    pub email: String,
    /// Name of their role.
    pub role: String,
    /// Since when, milliseconds since 1970.
    pub since: u64,
}

/// All members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberList {
    /// Members, ascending by number.
    pub members: Vec<Member>,
}

/// What to change of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateMember {
    /// Another role, built-in or the account's own.
    #[schema(min_length = 1, max_length = 64)]
    pub role: String,
}

/// Somebody to invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// Their e-mail address.
    #[schema(min_length = 3, max_length = 254, format = Email)]
    pub email: String,
    /// The role that they will have, built-in or the account's own.
    #[schema(min_length = 1, max_length = 64)]
    pub role: String,
}

/// Somebody who may become a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// Number in the account, which the member will keep.
    pub id: u32,
    /// The address that it was sent to.
    pub email: String,
    /// The role that it gives.
    pub role: String,
    /// When it was made, milliseconds since 1970.
    pub created_at: u64,
    /// Who made it.
    pub created_by: String,
    /// When it ends, milliseconds since 1970.
    pub expires_at: u64,
}

/// All open invitations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationList {
    /// Invitations, ascending by number.
    pub invitations: Vec<Invitation>,
}

/// An invitation that has just been made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedInvitation {
    /// The invitation.
    #[serde(flatten)]
    pub invitation: Invitation,
    /// What accepts it (`POST /v1/auth/accept`), where the server sends no mail and the operator invites;
    /// else it is in the mail and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl std::fmt::Debug for IssuedInvitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.invitation.fmt(f)
    }
}
