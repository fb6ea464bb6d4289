//! What is written to people.

use super::{Email, PeopleSettings};
use crate::Letter;

/// A link into the console. The token stands behind the `#`, which browsers send to no server.
fn link(settings: &PeopleSettings, page: &str, token: &str) -> String {
    format!("{}/console/{page}#{token}", settings.public_url)
}

fn letter(to: &Email, subject: &str, text: String) -> Letter {
    Letter {
        to: to.as_str().to_owned(),
        subject: subject.to_owned(),
        text,
    }
}

pub(super) fn verify(settings: &PeopleSettings, to: &Email, token: &str) -> Letter {
    let link = link(settings, "verify", token);
    let text = format!(
        "Welcome to QuartzDB.\n\nConfirm your e-mail address, and log in with the password that you have \
         chosen:\n\n{link}\n\nThe link is good for one day. By hand: POST {url}/v1/auth/verify with the \
         token\n\n{token}\n\nIf you have not signed up, do nothing: without your password the link opens \
         nothing.\n",
        url = settings.public_url
    );
    letter(to, "Confirm your e-mail address", text)
}

pub(super) fn known_already(settings: &PeopleSettings, to: &Email) -> Letter {
    let text = format!(
        "Somebody, probably you, has signed up at {url} with this e-mail address. You have signed up \
         before: log in with your password, or ask for a new one there.\n\nIf it was not you, do nothing.\n",
        url = settings.public_url
    );
    letter(to, "You have signed up already", text)
}

pub(super) fn reset(settings: &PeopleSettings, to: &Email, token: &str) -> Letter {
    let link = link(settings, "password", token);
    let text = format!(
        "Somebody, probably you, wants to set a new password for {to}:\n\n{link}\n\nThe link is good for \
         one hour. By hand: POST {url}/v1/auth/password with the token\n\n{token}\n\nIf it was not you, do \
         nothing: your password stays as it is.\n",
        url = settings.public_url
    );
    letter(to, "Set a new password", text)
}

pub(super) fn password_changed(settings: &PeopleSettings, to: &Email) -> Letter {
    let text = format!(
        "Your password at {url} was changed, and you are logged out everywhere else.\n\nIf it was not you, \
         set a new one at once.\n",
        url = settings.public_url
    );
    letter(to, "Your password was changed", text)
}

pub(super) fn invitation(
    settings: &PeopleSettings,
    to: &Email,
    account: &str,
    inviter: &str,
    token: &str,
) -> Letter {
    let link = link(settings, "accept", token);
    let text = format!(
        "{inviter} invites you to the account {account:?} of QuartzDB:\n\n{link}\n\nThe link is good for \
         seven days. By hand: POST {url}/v1/auth/accept with the token\n\n{token}\n\nIf you expect no \
         invitation, do nothing.\n",
        url = settings.public_url
    );
    letter(to, "You are invited to QuartzDB", text)
}
