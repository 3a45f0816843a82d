//! The projects of those who are signed in: another one shown, one made, one changed.

use super::{Error, FieldError, Permission, Session, Users};
use crate::{
    metric::{Currency, Zone},
    store::{Membership, NewProject},
};

impl Users {
    /// Turns a session to a project that its user sees; says whether there is one of that slug.
    pub async fn choose_project(&self, session: &Session, slug: &str) -> Result<bool, Error> {
        let Some(chosen) = session.memberships.iter().find(|one| one.project.slug == slug) else { return Ok(false) };
        self.store.choose_project(session.session.id, chosen.project.id).await?;
        Ok(true)
    }

    /// Makes a project of the user's own and turns the session to it.
    pub async fn make_project(&self, session: &Session, slug: &str, zone: &str, currency: &str) -> Result<(), Error> {
        let (zone, currency) = valid_project(zone, currency)?;
        let slug = valid_slug(slug).map_err(|message| FieldError::of("slug", message))?;
        let new = NewProject { slug, zone, currency };
        let made = match self.store.insert_project_of(session.user.id, &new, self.clock.now()).await {
            Ok(made) => made,
            Err(crate::store::Error::Conflict(taken)) => return Err(FieldError::of("slug", &taken).into()),
            Err(error) => return Err(error.into()),
        };
        Ok(self.store.choose_project(session.session.id, made.id).await?)
    }

    /// Changes a project's defaults. Only its owners may.
    pub async fn change_project(&self, membership: &Membership, zone: &str, currency: &str) -> Result<(), Error> {
        if !Permission::ManageProject.is_of(membership.role) {
            return Err(Error::NotAllowed);
        }
        let (zone, currency) = valid_project(zone, currency)?;
        Ok(self.store.update_project(membership.project.id, &zone, currency).await?)
    }
}

/// A project's name in addresses and commands.
pub fn valid_slug(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if plain && (1..=60).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err("use small letters, digits and hyphens, at most 60")
    }
}

fn valid_project(zone: &str, currency: &str) -> Result<(String, Currency), Error> {
    let mut wrong = Vec::new();
    let zone = zone.trim().parse::<Zone>().map_err(|error| wrong.push(FieldError::of("zone", &error.to_string())));
    let currency = currency.trim().parse().map_err(|error: crate::metric::InvalidCurrency| {
        wrong.push(FieldError::of("currency", &error.to_string()));
    });
    match (zone, currency) {
        (Ok(zone), Ok(currency)) => Ok((zone.name().to_owned(), currency)),
        _ => Err(Error::InvalidFields(wrong)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_plain() {
        assert!(valid_slug("my-shop-2").is_ok());
        for bad in ["", "My", "a b", "-a", "a-", "ä", &"x".repeat(61)] {
            assert!(valid_slug(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn both_fields_of_a_project_are_judged_at_once() {
        let Err(Error::InvalidFields(wrong)) = valid_project("Mars/Base", "euros") else { panic!("refused") };
        assert_eq!(wrong.iter().map(|error| error.field).collect::<Vec<_>>(), ["zone", "currency"]);
        assert_eq!(valid_project("Europe/Berlin", "eur").unwrap().1.code(), "EUR");
    }
}
