//! `wharf policy reset`: undoes a policy that locks everybody out, in the data folder of a server that is stopped.

use std::fmt::Write as _;

use ctl::{Format, Options, ResetOf};
use server::maintenance::policies::{PolicyOf, PolicyToReset, Reset, reset as reset_policy};

use crate::{CommonArgs, maintenance, shell};

/// Resets a policy, and shows what it was.
pub fn reset(of: ResetOf, options: &Options) -> anyhow::Result<()> {
    let config = CommonArgs { config: options.config.clone(), data_dir: options.data_dir.clone() }.load()?;
    let (of, account) = match of {
        ResetOf::Repository { name, account } => (PolicyOf::Repository(name), account),
        ResetOf::Registry { account } => (PolicyOf::Registry, account),
        ResetOf::Secret { name, account } => (PolicyOf::Secret(name), account),
        ResetOf::Key { key, account } => (PolicyOf::Key(key), account),
    };
    let which = PolicyToReset { of, account, region: options.region.clone() };
    let Reset { arn, old_policy, new_policy } = maintenance::runtime()?.block_on(reset_policy(&config, which))?;
    let mut text = String::new();
    match options.output {
        Format::Json | Format::Sarif => {
            let shown = serde_json::json!({"arn": arn, "oldPolicy": old_policy, "newPolicy": new_policy});
            writeln!(text, "{shown:#}")?;
        }
        Format::Text => {
            if new_policy.as_ref() == Some(&old_policy) {
                writeln!(text, "The policy of {arn} is its first one already, and stays:\n{old_policy}")?;
                return shell::print(&text);
            }
            writeln!(text, "Reset the policy of {arn}, which was:\n{old_policy}")?;
            if let Some(policy) = new_policy {
                writeln!(text, "It is now:\n{policy}")?;
            }
        }
    }
    shell::print(&text)
}
