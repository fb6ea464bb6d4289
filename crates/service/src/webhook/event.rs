use crate::rows::delivery::Datum;

/// Every type of event.
pub const EVENTS: [&str; 13] = [
    "account.impersonated",
    "account.resumed",
    "account.suspended",
    "budget.100",
    "budget.80",
    "key.created",
    "key.revoked",
    "key.rotated",
    "plan.changed",
    "quota.included",
    "quota.storage",
    "quota.vectors",
    "webhook.test",
];

/// What is announced once a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Notice {
    /// 80 % of the budget are spent.
    Budget80 = 1 << 0,
    /// The budget is spent.
    Budget100 = 1 << 1,
    /// What the plan includes is used.
    Included = 1 << 2,
    /// The account holds as many bytes as its plan allows.
    Storage = 1 << 3,
    /// The account holds as many vectors as its plan allows.
    Vectors = 1 << 4,
}

impl Notice {
    /// Those about the budget: another budget begins anew.
    pub(crate) const BUDGET: u8 = Self::Budget80 as u8 | Self::Budget100 as u8;

    /// The type of its event.
    #[must_use]
    pub const fn event(self) -> &'static str {
        match self {
            Self::Budget80 => "budget.80",
            Self::Budget100 => "budget.100",
            Self::Included => "quota.included",
            Self::Storage => "quota.storage",
            Self::Vectors => "quota.vectors",
        }
    }
}

/// The type and the data of the event that an action of the audit log is, if it is one.
pub(crate) fn of_action(
    action: &str,
    target: &str,
) -> Option<(&'static str, Vec<(String, Datum)>)> {
    let kind = match action {
        "account.impersonate" => "account.impersonated",
        "account.resume" => "account.resumed",
        "account.suspend" => "account.suspended",
        "key.create" => "key.created",
        "key.revoke" => "key.revoked",
        "key.rotate" => "key.rotated",
        "plan.set" => "plan.changed",
        _ => return None,
    };
    let number = target.strip_prefix("key:").and_then(|key| key.parse().ok());
    let key = number.map(|number| ("key".to_owned(), Datum::Number(number)));
    Some((kind, key.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_type_that_can_be_asked_for() {
        assert!(EVENTS.is_sorted());
        for action in [
            "account.impersonate",
            "account.resume",
            "account.suspend",
            "key.create",
            "key.revoke",
            "key.rotate",
            "plan.set",
        ] {
            let (kind, _) = of_action(action, "key:7").unwrap();
            assert!(EVENTS.contains(&kind), "{kind}");
        }
        for notice in [
            Notice::Budget80,
            Notice::Budget100,
            Notice::Included,
            Notice::Storage,
            Notice::Vectors,
        ] {
            assert!(EVENTS.contains(&notice.event()));
        }
        let (_, data) = of_action("key.create", "key:7").unwrap();
        assert_eq!(data, [("key".to_owned(), Datum::Number(7))]);
        assert_eq!(of_action("key.change", "key:7"), None);
    }
}
