//! The wire format of the HTTP API: bodies, limits, error codes, headers.
//!
//! Everything here is a plain value with serde and OpenAPI derives. The server and the client
//! library share these types, so they cannot disagree.

mod account;
mod api_key;
mod audit;
mod billing;
mod bounded;
mod error;
mod header;
mod limits;
mod member;
mod metadata;
mod namespace;
mod person;
mod query;
mod record;
mod role;
mod vector;
mod webhook;
mod write;

pub use self::{
    account::{
        Account, AccountList, CreateAccount, CreatedAccount, Impersonate, UpdateAccount, Whoami,
    },
    api_key::{ApiKey, ApiKeyList, CreateApiKey, IssuedKey, RotateApiKey, UpdateApiKey},
    audit::{AuditEntry, AuditList},
    billing::{Billing, PutBilling, UsageLine, UsageMeters, UsageReport},
    bounded::whole,
    error::{ErrorCode, Problem},
    header::{
        CSRF, DURABILITY, Durability, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, MIN_VERSION,
        RATE_LIMIT, RATE_LIMIT_POLICY, REQUEST_ID, USAGE, VERSION,
    },
    limits::{Limits, MAX},
    member::{
        CreateInvitation, Invitation, InvitationList, IssuedInvitation, Member, MemberList,
        UpdateMember,
    },
    metadata::{Metadata, MetadataValue},
    namespace::{
        IndexedFields, Metric, Namespace, NamespaceConfig, NamespaceList, NamespaceSummary,
        StoreVectors,
    },
    person::{
        AcceptRequest, ChangePasswordRequest, ConfirmFactorRequest, EnrolFactorRequest,
        FactorEnrolment, LoginMethods, LoginRequest, NewPasswordRequest, RecoveryCodes,
        RemoveFactorRequest, ResetRequest, Session, SessionAccount, SignUpRequest, SsoMethod,
        SwitchRequest, VerifyRequest,
    },
    query::{
        Explanation, FetchRequest, FetchResponse, Include, ListRequest, Match, Plan, PlanKind,
        QueryRequest, QueryResponse,
    },
    record::{KeyEntry, KeyList, Record, RecordList, StoredRecord},
    role::{PutRole, Role, RoleList},
    vector::Vector,
    webhook::{
        CreateWebhook, Delivery, DeliveryList, DeliveryStatus, Event, RotateWebhook, Webhook,
        WebhookList, WebhookSecret,
    },
    write::{
        BatchOperation, BatchRequest, BatchResponse, DeleteRequest, DeleteResponse, ImportResponse,
        OperationKind, OperationResult, UpdateRequest, UpdateResponse, UpsertRequest,
        UpsertResponse,
    },
};
