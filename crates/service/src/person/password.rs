//! Passwords, kept as Argon2id (RFC 9106).

use argon2::{Algorithm, Argon2, Params, Version};
use futures::channel::oneshot;
use serde::{Deserialize, Serialize};

use crate::Ports;

/// How much a guess costs: memory, and passes over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes; each is computed after the other.
    pub lanes: u32,
}

impl PasswordCost {
    /// For a server of one's own: what OWASP recommends first.
    pub const SERVER: Self = Self {
        memory_kib: 19 << 10,
        passes: 2,
        lanes: 1,
    };
    /// For an isolate of 128 MiB: the least memory that OWASP lists, with as much work.
    pub const EDGE: Self = Self {
        memory_kib: 7 << 10,
        passes: 5,
        lanes: 1,
    };
}

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPassword {
    /// How it was hashed.
    pub(crate) cost: PasswordCost,
    pub(crate) salt: [u8; 16],
    pub(crate) hash: [u8; 32],
}

impl StoredPassword {
    /// Hashes a password; `None` if the cost is none that Argon2 takes.
    pub(crate) async fn make(ports: &Ports, password: &str) -> Option<Self> {
        let (cost, salt) = (ports.people.password_cost, ports.random());
        let hash = hash(ports, password, salt, cost).await?;
        Some(Self { cost, salt, hash })
    }

    /// Whether a password is this one. Costs as much if there is none to compare with, and then it is not.
    pub(crate) async fn opens(of: Option<&Self>, ports: &Ports, password: &str) -> bool {
        let (cost, salt) = match of {
            Some(stored) => (stored.cost, stored.salt),
            None => (ports.people.password_cost, [0; 16]),
        };
        let hash = hash(ports, password, salt, cost).await;
        // Hashes of blake3 compare in constant time.
        match (of, hash) {
            (Some(stored), Some(hash)) => {
                blake3::Hash::from(stored.hash) == blake3::Hash::from(hash)
            }
            _ => false,
        }
    }
}

async fn hash(
    ports: &Ports,
    password: &str,
    salt: [u8; 16],
    cost: PasswordCost,
) -> Option<[u8; 32]> {
    let password = password.to_owned();
    let (tell, told) = oneshot::channel();
    let work = move || {
        let mut hash = [0; 32];
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(hash.len()));
        let hashed = params.and_then(|params| {
            let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon.hash_password_into(password.as_bytes(), &salt, &mut hash)
        });
        let _ = tell.send(hashed.ok().map(|()| hash));
    };
    ports.offload.run(Box::new(work)).await;
    told.await.ok().flatten()
}

impl std::fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredPassword(…)")
    }
}
