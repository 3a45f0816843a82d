//! Who is in a project: members, their roles, and invitations by link.

use jiff::SignedDuration;
use uuid::Uuid;

use super::{Account, Browser, Error, Session, Users, hash, new_token, valid_email};
use crate::{
    secret::Secret,
    store::{self, Invitation, Joining, Member, MemberChange, NewInvitation, Project, Role, User},
};

/// How long an invitation works.
pub const INVITATION_DAYS: i64 = 7;

/// An invitation that was just made. This is the only time that its link can be shown.
#[derive(Debug)]
pub struct MadeInvitation {
    /// What is kept of it.
    pub invitation: Invitation,
    /// What its link holds.
    pub token: Secret,
}

impl Users {
    /// Who is in a project: those who may most first.
    pub async fn members(&self, project: &Project) -> Result<Vec<Member>, Error> {
        Ok(self.store.members(project.id).await?)
    }

    /// Gives a member another role. The last owner stays one.
    pub async fn set_role(&self, project: &Project, user_id: i64, role: Role) -> Result<(), Error> {
        changed(self.store.set_role(project.id, user_id, role).await?)
    }

    /// Takes somebody out of a project, from this moment on. The last owner stays.
    pub async fn remove(&self, project: &Project, user_id: i64) -> Result<(), Error> {
        changed(self.store.delete_member(project.id, user_id).await?)
    }

    /// Makes a link that lets somebody into a project, once. With an address it is for that account alone.
    pub async fn invite(&self, project: &Project, role: Role, email: &str) -> Result<MadeInvitation, Error> {
        let email = if email.trim().is_empty() { None } else { Some(valid_email(email)?) };
        let token = new_token();
        let expires_at = self.after(SignedDuration::from_hours(24 * INVITATION_DAYS));
        let new = NewInvitation { token_hash: hash(&token), role, email, expires_at };
        let invitation = self.store.insert_invitation(project.id, &new, self.clock.now()).await?;
        Ok(MadeInvitation { invitation, token })
    }

    /// The invitations to a project that still work.
    pub async fn invitations(&self, project: &Project) -> Result<Vec<Invitation>, Error> {
        Ok(self.store.invitations(project.id, self.clock.now()).await?)
    }

    /// Makes an invitation useless.
    pub async fn revoke_invitation(&self, project: &Project, id: &str) -> Result<(), Error> {
        let unknown = || Error::UnknownInvitation(id.chars().take(80).collect());
        let known: Uuid = id.trim().parse().map_err(|_| unknown())?;
        if self.store.delete_invitation(project.id, known).await? { Ok(()) } else { Err(unknown()) }
    }

    /// What a link invites to. Looking at it uses nothing up.
    pub async fn invitation(&self, token: &Secret) -> Result<(Invitation, Project), Error> {
        self.store.invitation(&hash(token), self.clock.now()).await?.ok_or(Error::InvitationUsed)
    }

    /// Lets somebody in who is signed in.
    pub async fn accept(&self, token: &Secret, session: &Session) -> Result<(), Error> {
        let (invitation, project) = self.invitation(token).await?;
        if let Some(email) = invitation.email.filter(|email| *email != session.user.email) {
            return Err(Error::InvitationOfAnother(email));
        }
        match self.store.accept_invitation(&hash(token), &session.user, self.clock.now()).await? {
            Joining::Joined => Ok(self.store.choose_project(session.session.id, project.id).await?),
            Joining::NotOpen => Err(Error::InvitationUsed),
            Joining::MemberAlready => Err(Error::MemberAlready(project.slug)),
        }
    }

    /// Makes an account for who was invited, and signs its browser in.
    pub async fn accept_as(&self, token: &Secret, account: Account, browser: Browser) -> Result<Secret, Error> {
        let (invitation, _) = self.invitation(token).await?;
        let account = Account { email: invitation.email.unwrap_or(account.email), ..account };
        let new = self.checked(account).await?;
        let user: User = match self.store.accept_invitation_as(&hash(token), &new, self.clock.now()).await {
            Ok(made) => made.ok_or(Error::InvitationUsed)?,
            Err(store::Error::Conflict(_)) => {
                let message = "there is an account of this address: sign in, and open the link again";
                return Err(super::FieldError::of("email", message).into());
            }
            Err(error) => return Err(error.into()),
        };
        self.open_session(user.id, browser).await
    }

    /// Whether a browser is still signed in, and its user still in a project.
    pub async fn still_sees(&self, session: &Session, project: &Project) -> Result<bool, Error> {
        Ok(self.store.session_sees(session.session.id, project.id).await?)
    }
}

fn changed(change: MemberChange) -> Result<(), Error> {
    match change {
        MemberChange::Made => Ok(()),
        MemberChange::NoMember => Err(Error::NoMember),
        MemberChange::LastOwner => Err(Error::LastOwner),
    }
}
