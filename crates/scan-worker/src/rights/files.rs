//! Landlock: no file, no port, no signal. Everything that this kernel can forbid is forbidden, and nothing is excepted.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetError, RulesetStatus, Scope,
};

use crate::confinement::{Confinement, Part, least_abi};

/// The newest version whose rights are known here; older kernels forbid what they know of them.
const NEWEST: ABI = ABI::V10;

/// Forbids files, ports and signals.
pub fn forbid_files(achieved: &mut Confinement) {
    let status = match restrict() {
        Ok(status) if status.ruleset != RulesetStatus::NotEnforced => status,
        Ok(_) | Err(_) => return,
    };
    if let LandlockStatus::Available { effective_abi, .. } = status.landlock {
        achieved.landlock_abi = effective_abi as u8;
        for part in [Part::Files, Part::Network, Part::Signals] {
            achieved.note(part, achieved.landlock_abi >= least_abi(part));
        }
    }
}

fn restrict() -> Result<RestrictionStatus, RulesetError> {
    let handled = Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?;
    let handled = handled.handle_access(AccessNet::from_all(NEWEST))?.scope(Scope::from_all(NEWEST))?;
    handled.create()?.restrict_self()
}

/// The version of Landlock whose rights this kernel knows all; those since 6 that bring no right are not told apart.
pub(super) fn offered_abi() -> u8 {
    let knows = |abi: ABI| {
        let files = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let Ok(mut rights) = files.handle_access(AccessFs::from_all(abi)) else { return false };
        if abi >= ABI::V4 {
            match rights.handle_access(AccessNet::from_all(abi)) {
                Ok(more) => rights = more,
                Err(_) => return false,
            }
        }
        abi < ABI::V6 || rights.scope(Scope::from_all(abi)).is_ok()
    };
    let abis = [ABI::V1, ABI::V2, ABI::V3, ABI::V4, ABI::V5, ABI::V6, ABI::V7, ABI::V8, ABI::V9, ABI::V10];
    abis.into_iter().take_while(|abi| knows(*abi)).last().map_or(0, |abi| abi as u8)
}
