//! What one may do in a project, and what one has to be for it. Said here and nowhere else: whoever handles a request asks
//! by the name of what is about to be done.

use crate::store::Role;

/// What somebody is about to do in a project.
///
/// What is one's own needs none: one's password, browsers and theme. A key of the API with the scope `read` may what
/// [`Permission::Look`] is for; one with the scope `write` may connect, push and disconnect, too, and manages nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// See numbers, dashboards, connections with their runs, the names of keys, and who else is in; leave.
    Look,
    /// Make, change and remove dashboards.
    EditDashboards,
    /// Connect services and give them other access; test, sync, pause and set connections.
    Connect,
    /// Remove a connection with its credentials and its numbers, which nothing brings back.
    Disconnect,
    /// Make and revoke keys of the API.
    ManageKeys,
    /// Invite people, give them roles, remove them.
    ManagePeople,
    /// Change the project's zone and currency; make a further project.
    ManageProject,
    /// See who did what.
    Audit,
}

impl Permission {
    /// What one has to be at least.
    pub fn least_role(self) -> Role {
        match self {
            Self::Look => Role::Viewer,
            Self::EditDashboards | Self::Connect => Role::Editor,
            Self::Disconnect | Self::ManageKeys | Self::ManagePeople | Self::ManageProject | Self::Audit => Role::Owner,
        }
    }

    /// Whether somebody of that role may do it.
    pub fn is_of(self, role: Role) -> bool {
        role >= self.least_role()
    }

    /// Why somebody may not, and whom to ask.
    pub fn refusal(self) -> &'static str {
        match self.least_role() {
            Role::Viewer | Role::Editor => "You may look at this project and not change it. An owner can let you.",
            Role::Owner => "Only an owner of this project may do this.",
        }
    }
}

impl Role {
    /// What somebody of that role may do, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Viewer => "Looks at everything and changes nothing.",
            Self::Editor => "Connects services and makes dashboards, too.",
            Self::Owner => "Does everything: people, API keys, the project, and deleting.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_those_below_it_may() {
        use Permission::{Audit, Connect, Disconnect, EditDashboards, Look, ManageKeys, ManagePeople, ManageProject};
        let all = [Look, EditDashboards, Connect, Disconnect, ManageKeys, ManagePeople, ManageProject, Audit];
        let may = |role: Role| all.into_iter().filter(|permission| permission.is_of(role)).collect::<Vec<_>>();
        assert_eq!(may(Role::Viewer), [Look]);
        assert_eq!(may(Role::Editor), [Look, EditDashboards, Connect]);
        assert_eq!(may(Role::Owner), all);
    }
}
