//! Plans: limits, quotas and prices as data.

use std::collections::BTreeMap;

use quartz_core::usage::Usage;
use serde::{Deserialize, Serialize};

/// Micro-dollars in a dollar.
const MICROS: u64 = 1_000_000;
/// Units that a price is for.
const PRICED_UNITS: u64 = 1_000_000;

/// What an account may use and what it costs. A limit that is absent is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// What people call it.
    pub title: String,
    /// Requests of an account a second, in the long run.
    pub requests_per_second: Option<u32>,
    /// Requests that may come at once before the rate holds.
    pub burst: Option<u32>,
    /// Requests of an account served at the same time.
    pub concurrent_requests: Option<u32>,
    /// Units that one request may cost; updates and deletions by filter, imports and exports are not held
    /// to it.
    pub request_units: Option<u64>,
    /// Bytes of records.
    pub storage_bytes: Option<u64>,
    /// Records with a vector.
    pub vectors: Option<u64>,
    /// Namespaces.
    pub namespaces: Option<u32>,
    /// What a month includes without a price.
    pub included: Units,
    /// Dollars for a million units beyond that; without prices, what is included is all there is.
    pub prices: Option<Prices>,
}

/// Units of each meter that has a price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Units {
    /// Write units.
    pub write: u64,
    /// Read units.
    pub read: u64,
    /// Query units.
    pub query: u64,
}

/// Millionths of a dollar for a million units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// For write units.
    pub write: u64,
    /// For read units.
    pub read: u64,
    /// For query units.
    pub query: u64,
}

impl Plan {
    /// What a month's usage costs, in millionths of a dollar, rounded up.
    #[must_use]
    pub fn cost_micros(&self, used: &Usage) -> u64 {
        let prices = self.prices.unwrap_or_default();
        let beyond = self.beyond(used);
        let parts = [
            (beyond.write, prices.write),
            (beyond.read, prices.read),
            (beyond.query, prices.query),
        ];
        let cost: u128 = parts
            .iter()
            .map(|&(units, price)| u128::from(units) * u128::from(price))
            .sum();
        u64::try_from(cost.div_ceil(PRICED_UNITS.into())).unwrap_or(u64::MAX)
    }

    /// Whether a month's usage is all that a plan without prices includes.
    #[must_use]
    pub fn is_used_up(&self, used: &Usage) -> bool {
        let included = self.included;
        let unlimited = Units::default();
        self.prices.is_none()
            && included != unlimited
            && (used.write_units >= included.write
                || used.read_units >= included.read
                || used.query_units >= included.query)
    }

    const fn beyond(&self, used: &Usage) -> Units {
        Units {
            write: used.write_units.saturating_sub(self.included.write),
            read: used.read_units.saturating_sub(self.included.read),
            query: used.query_units.saturating_sub(self.included.query),
        }
    }
}

/// All plans, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The plan of an account whose maker does not say.
    pub default: String,
    /// Plans.
    pub plans: BTreeMap<String, Plan>,
}

impl Catalogue {
    /// The name of the plan without limits, which a server's own account has.
    pub const SELF_HOSTED: &str = "self-hosted";

    /// The plan of this name; one that is no longer there counts as the default.
    #[must_use]
    pub fn plan(&self, name: &str) -> Plan {
        let plan = self
            .plans
            .get(name)
            .or_else(|| self.plans.get(&self.default));
        plan.cloned().unwrap_or_default()
    }

    /// Checks that the catalogue makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), String> {
        for name in [&*self.default, Self::SELF_HOSTED] {
            if !self.plans.contains_key(name) {
                return Err(format!("there is no plan {name:?} in the catalogue"));
            }
        }
        for (name, plan) in &self.plans {
            let zero = [
                ("requests_per_second", plan.requests_per_second),
                ("burst", plan.burst),
                ("concurrent_requests", plan.concurrent_requests),
            ];
            if let Some((limit, _)) = zero.iter().find(|(_, limit)| *limit == Some(0)) {
                return Err(format!(
                    "plan {name:?}: {limit} = 0 would let no request in"
                ));
            }
            if plan.burst.is_some() && plan.requests_per_second.is_none() {
                return Err(format!("plan {name:?}: burst needs requests_per_second"));
            }
            if plan.request_units == Some(0) {
                return Err(format!(
                    "plan {name:?}: request_units = 0 would allow nothing"
                ));
            }
        }
        Ok(())
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        let free = Plan {
            title: "Free".into(),
            requests_per_second: Some(50),
            burst: Some(100),
            concurrent_requests: Some(16),
            request_units: Some(4_096),
            storage_bytes: Some(1 << 30),
            vectors: Some(100_000),
            namespaces: Some(10),
            included: Units {
                write: 1_000_000,
                read: 1_000_000,
                query: 500_000,
            },
            prices: None,
        };
        let pay_as_you_go = Plan {
            title: "Pay as you go".into(),
            requests_per_second: Some(1_000),
            burst: Some(2_000),
            concurrent_requests: Some(128),
            request_units: None,
            storage_bytes: Some(1 << 40),
            vectors: Some(100_000_000),
            namespaces: Some(10_000),
            included: free.included,
            prices: Some(Prices {
                write: 2 * MICROS,
                read: MICROS / 2,
                query: 4 * MICROS,
            }),
        };
        let enterprise = Plan {
            title: "Enterprise".into(),
            ..Plan::default()
        };
        let self_hosted = Plan {
            title: "Self-hosted".into(),
            ..Plan::default()
        };
        let plans = [
            ("free", free),
            ("pay-as-you-go", pay_as_you_go),
            ("enterprise", enterprise),
            (Self::SELF_HOSTED, self_hosted),
        ];
        Self {
            default: "free".into(),
            plans: plans
                .into_iter()
                .map(|(name, plan)| (name.to_owned(), plan))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(write_units: u64, query_units: u64) -> Usage {
        Usage {
            requests: 1,
            write_units,
            read_units: 0,
            query_units,
        }
    }

    #[test]
    fn what_is_beyond_the_included_costs() {
        let catalogue = Catalogue::default();
        catalogue.check().unwrap();
        let plan = catalogue.plan("pay-as-you-go");
        assert_eq!(plan.cost_micros(&used(1_000_000, 500_000)), 0);
        assert_eq!(plan.cost_micros(&used(2_000_000, 500_000)), 2 * MICROS);
        // A started millionth is a whole one.
        assert_eq!(plan.cost_micros(&used(1_000_001, 500_001)), 6);
        assert!(!plan.is_used_up(&used(u64::MAX, u64::MAX)));
        assert_eq!(plan.cost_micros(&used(u64::MAX, u64::MAX)), u64::MAX);
    }

    #[test]
    fn a_free_plan_ends() {
        let free = Catalogue::default().plan("free");
        assert!(!free.is_used_up(&used(999_999, 0)));
        assert!(free.is_used_up(&used(1_000_000, 0)));
        assert!(free.is_used_up(&used(0, 500_000)));
        assert_eq!(free.cost_micros(&used(u64::MAX, u64::MAX)), 0);
        assert!(
            !Catalogue::default()
                .plan("self-hosted")
                .is_used_up(&used(u64::MAX, 1))
        );
        assert_eq!(Catalogue::default().plan("gone"), free);
    }

    #[test]
    fn catalogues_that_make_no_sense() {
        let with = |change: fn(&mut Plan)| {
            let mut catalogue = Catalogue::default();
            change(catalogue.plans.get_mut("free").unwrap());
            catalogue.check()
        };
        assert!(with(|plan| plan.burst = Some(0)).is_err());
        assert!(with(|plan| plan.requests_per_second = None).is_err());
        assert!(with(|plan| plan.request_units = Some(0)).is_err());
        let catalogue = Catalogue {
            default: "none".into(),
            ..Catalogue::default()
        };
        assert!(catalogue.check().is_err());
    }
}
