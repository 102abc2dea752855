//! Each tool's few lines.

use super::Handle;
use crate::{
    app::App,
    authn::credential::Caller,
    authz::{
        Action as _,
        tokens::{EndAiAccess, RevokeToken},
    },
    domain::builtin,
    error::Error,
    gather::Named,
    service::{Call, access, ai_access, audit, groups, parse, people},
};
use usher_tools as contract;

macro_rules! handle {
    ($tool:ident, $action:expr, |$named:ident| $target:expr, $(write: $write:tt,)? |$app:ident, $caller:ident, $call:ident, $params:ident| $body:expr) => {
        impl Handle for contract::$tool {
            const ACTION: &'static str = $action;

            fn named($named: &Self::Params) -> Named {
                $target
            }

            $(fn options(params: &Self::Params) -> contract::WriteOptions<'_> {
                let _: bool = $write;
                contract::WriteParams::options(params)
            })?

            async fn handle($app: &App, $caller: &Caller, $call: &Call, $params: &Self::Params) -> Result<Self::Output, Error> {
                $body.await
            }
        }
    };
}

handle!(WhoAmI, "whoami", |_p| Named::Nothing, |app, caller, call, _p| access::whoami(app, caller, call));
handle!(ListUsers, builtin::USERS_READ, |_p| Named::Nothing, |app, caller, call, p| people::list(app, call, caller.alive.people, p));
handle!(GetUser, builtin::USERS_READ, |p| parse::named(&p.user), |app, _c, call, p| people::get(app, call, p));
handle!(CheckMembership, builtin::USERS_READ, |p| parse::named(&p.user), |app, _c, call, p| access::check_membership(app, call, p));
handle!(InviteUser, builtin::USERS_INVITE, |p| parse::named(&p.email), write: true, |app, _c, call, p| people::invite(app, call, p));
handle!(ResendInvite, builtin::USERS_INVITE, |p| parse::named(&p.user), write: true, |app, _c, call, p| people::resend(app, call, p));
handle!(UpdateUser, builtin::USERS_UPDATE, |p| parse::named(&p.user), write: true, |app, _c, call, p| people::update(app, call, p));
handle!(DeactivateUser, builtin::USERS_DEACTIVATE, |p| parse::named(&p.user), write: true, |app, _c, call, p| people::deactivate(app, call, p));
handle!(ReactivateUser, builtin::USERS_DEACTIVATE, |p| parse::named(&p.user), write: true, |app, _c, call, p| people::reactivate(app, call, p));
handle!(EndAiAccess, EndAiAccess::NAME, |p| parse::named(&p.user), write: true, |app, _c, call, p| ai_access::end(app, call, p));
handle!(ListAccessGroups, builtin::ACCESS_GROUPS_READ, |_p| Named::Nothing, |app, _c, call, p| groups::list(app, call, p));
handle!(CreateAccessGroup, builtin::ACCESS_GROUPS_CREATE, |_p| Named::Nothing, write: true, |app, _c, call, p| groups::create(app, call, p));
handle!(UpdateAccessGroup, builtin::ACCESS_GROUPS_UPDATE, |p| parse::named_group(&p.access_group), write: true, |app, _c, call, p| groups::update(app, call, p));
handle!(DeleteAccessGroup, builtin::ACCESS_GROUPS_DELETE, |p| parse::named_group(&p.access_group), write: true, |app, _c, call, p| groups::delete(app, call, p));
handle!(AddToAccessGroup, builtin::ACCESS_GROUPS_ASSIGN, |p| p.users.first().map_or(Named::Nothing, |user| parse::named(user)), write: true, |app, _c, call, p| groups::add(app, call, p));
handle!(RemoveFromAccessGroup, builtin::ACCESS_GROUPS_ASSIGN, |p| p.users.first().map_or(Named::Nothing, |user| parse::named(user)), write: true, |app, _c, call, p| groups::remove(app, call, p));
handle!(ListAuditEvents, builtin::AUDIT_LOG_READ, |_p| Named::Nothing, |app, _c, call, p| audit::list(app, call, p));
handle!(ListMcpTokens, builtin::MCP_TOKENS_READ, |p| p.user.as_deref().map_or(Named::Nothing, parse::named), |app, _c, call, p| {
    ai_access::list(app, call, p)
});
handle!(RevokeMcpToken, RevokeToken::NAME, |_p| Named::Kind("credential"), write: true, |app, _c, call, p| ai_access::revoke(app, call, p));

impl Handle for contract::ListPermissions {
    const ACTION: &'static str = "list_permissions";

    fn named(_: &Self::Params) -> Named {
        Named::Nothing
    }

    async fn handle(app: &App, _: &Caller, _: &Call, params: &Self::Params) -> Result<Self::Output, Error> {
        access::list_permissions(app, params)
    }
}
