//! What can go wrong with people, in sentences that say what to do.

use std::time::Duration;

use crate::store;

/// Why somebody was not let in, or an account was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What was typed cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    InvalidFields(Vec<FieldError>),
    /// The address or the password is wrong; which of them is not said.
    #[error("E-mail or password is wrong.")]
    WrongPassword,
    /// There were too many wrong passwords.
    #[error("Too many wrong passwords. Try again in {}.", minutes(*.0))]
    TooMany(Duration),
    /// A link that works once was used, replaced, or never made.
    #[error("This link was used already, or a newer one replaced it.")]
    LinkUsed,
    /// Only the owners of a project may do this.
    #[error("Only an owner of this project may change this.")]
    NotAllowed,
    /// An invitation was used, revoked, or never made, or it is too old.
    #[error("This invitation was used already or revoked, or it is older than seven days. Ask for another one.")]
    InvitationUsed,
    /// An invitation is for another account; names its address.
    #[error("This invitation is for {0}. Sign in with that address.")]
    InvitationOfAnother(String),
    /// Whoever would be let in is in already; names the project.
    #[error("You are in {0} already. The invitation still works for somebody else.")]
    MemberAlready(String),
    /// A project without an owner could never be changed again.
    #[error("A project needs an owner. Make somebody else an owner first.")]
    LastOwner,
    /// Somebody is not in the project.
    #[error("they are not in this project; `dashtray user list` shows who is")]
    NoMember,
    /// No invitation that still works has that id.
    #[error("there is no open invitation {0}; `dashtray user invitations` shows all")]
    UnknownInvitation(String),
    /// Nobody has that address.
    #[error("there is no user {0}; `dashtray user list` shows all")]
    UnknownUser(String),
    /// No key of the project has that id or name.
    #[error("there is no API key \"{0}\"; `dashtray api-key list` shows all")]
    UnknownKey(String),
    /// Too many passwords are being judged at once.
    #[error("Dashtray is busy with other sign-ins. Try again in a moment.")]
    Busy,
    /// A fault in Dashtray.
    #[error("a password could not be judged: {0}")]
    Internal(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// One field that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FieldError {
    /// Its name in the form.
    pub field: &'static str,
    /// What to type instead.
    pub message: String,
}

impl FieldError {
    pub(super) fn of(field: &'static str, message: &str) -> Self {
        Self { field, message: message.to_owned() }
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Self::InvalidFields(vec![error])
    }
}

impl Error {
    /// The stable code that programs go by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidFields(_) => "invalid_fields",
            Self::WrongPassword => "wrong_password",
            Self::TooMany(_) => "too_many_requests",
            Self::LinkUsed => "link_used",
            Self::InvitationUsed => "invitation_used",
            Self::InvitationOfAnother(_) => "invitation_of_another",
            Self::MemberAlready(_) => "member_already",
            Self::LastOwner => "last_owner",
            Self::NoMember => "no_member",
            Self::UnknownInvitation(_) => "unknown_invitation",
            Self::NotAllowed => "forbidden",
            Self::UnknownUser(_) => "unknown_user",
            Self::UnknownKey(_) => "api_key_not_found",
            Self::Busy => "busy",
            Self::Internal(_) => "internal",
            Self::Store(_) => "database",
        }
    }

    /// Whether typing something else mends it.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::InvalidFields(_)
                | Self::UnknownUser(_)
                | Self::UnknownKey(_)
                | Self::NoMember
                | Self::UnknownInvitation(_)
        )
    }
}

fn minutes(wait: Duration) -> String {
    match wait.as_secs().div_ceil(60) {
        0 | 1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}
