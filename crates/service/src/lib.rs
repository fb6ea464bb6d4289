//! What makes the database a service: accounts, API keys, roles, and the record of who did what.
//!
//! Portable: no sockets, no threads, no ambient clock or randomness; [`Ports`] bring what is needed.
//!
//! - [`AccountId`], [`key_text`]: what accounts and keys are called.
//! - [`Permission`], [`Permissions`], [`roles`]: what may be done.
//! - [`Account`]: the actor: one writer, each change committed with its audit entry.
//! - [`person`]: people: sign-up, sessions, second factor, single sign-on; members of accounts.
//! - [`Accounts`]: many accounts in one store, by id. It is the [`Gatekeeper`] of a server.
//! - [`peers`]: what accounts and the keeper of people ask of each other, wherever they live.
//! - [`Grant`]: what a request may do, as a gatekeeper found out.
//! - [`rows`]: every kind of row.

#![forbid(unsafe_code)]

mod account;
mod account_id;
mod accounts;
mod audit;
mod bounds;
pub mod calendar;
mod closing;
mod collect;
mod denials;
mod error;
mod gatekeeper;
mod grant;
pub mod key_text;
mod network;
pub mod peers;
mod permission;
pub mod person;
mod plan;
mod ports;
pub mod roles;
mod roll;
pub mod rows;
mod tenant;
#[cfg(test)]
mod testing;
pub mod throttle;
pub mod token;
pub mod webhook;

pub use self::{
    account::{
        Account, ApiKey, Attempt, Balance, By, DeliveryPage, Hook, Invitation, Invited, Issued,
        KeyChange, Member, Message, NewKey, NewSecret, NewWebhook, RoleEntry, UsageLine,
        UsageQuery,
    },
    account_id::AccountId,
    accounts::{Accounts, NewAccount, RootKey},
    audit::{AuditFault, AuditPage, verify_chain},
    bounds::Bounds,
    closing::Namespaces,
    error::{Error, Result},
    gatekeeper::{Admission, Credential, Denial, Gatekeeper, GrantCache, Keeper, Knock},
    grant::{Grant, Signed},
    network::Network,
    permission::{Permission, Permissions},
    person::{Email, PeopleSettings, PersonId, SingleSignOn, Visitor},
    plan::{Catalogue, Plan, Prices, Units},
    ports::{
        AtOnce, Courier, Entropy, Handshake, Identity, IdentityFault, IdentityProvider, Letter,
        Mail, Offload, Parcel, Plans, Ports,
    },
    rows::{audit::Entry as AuditEntry, profile::Profile},
    tenant::{Halt, Tenant, Terms, Turn, Work},
};
