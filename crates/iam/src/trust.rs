//! Who may take a role on (IAM User Guide, "How to use trust policies with IAM roles").

use crate::decide::{CallerSide, Survey};
use crate::principal::Grant;
use crate::{Attached, Decision, Policies, Reason, Request, Source};

/// Decides `sts:AssumeRole`, `sts:AssumeRoleWithWebIdentity` or `sts:TagSession`: the resource of the request is the
/// role's ARN, `resource_account` the role's account, `caller` what is in force for the principal.
///
/// The trust policy must always allow. A principal of the role's account that it names directly needs nothing more;
/// named through its account, it needs an identity policy; from another account it needs one always. Services and web
/// identities have no policies of their own.
pub fn decide_trust(request: &Request<'_>, trust: &Attached, caller: &Policies<'_>) -> Decision {
    let mut survey = Survey::new(request);
    let grant = survey.read(Source::Trust, trust);
    let Some(account) = request.principal.account() else {
        let is_allowed = grant > Grant::None;
        return survey.conclude(if is_allowed {
            Reason::AllowedBy(Source::Trust)
        } else {
            Reason::NotAllowedBy(Source::Trust)
        });
    };
    let side = CallerSide::read(&mut survey, request.principal, caller);
    let needed = if account == request.resource_account { grant } else { Grant::None };
    let missing = if grant == Grant::None { Some(Source::Trust) } else { side.missing(request.principal, needed) };
    survey.conclude(missing.map_or(Reason::AllowedBy(Source::Trust), Reason::NotAllowedBy))
}
