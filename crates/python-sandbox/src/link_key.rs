//! `rotate-link-key`: creates a new key for download links while services run.

use crate::cli::RotateLinkKeyArgs;
use settings::Settings;
use std::process::ExitCode;
use terminal::exit;

/// Runs the command. The settings must be those of the service: they define the key's location and the links'
/// lifetime.
pub(crate) fn rotate(args: &RotateLinkKeyArgs, settings: &Settings) -> ExitCode {
    match compose::rotate_link_key(settings, args.end_links) {
        Ok(rotated) => {
            let earlier = match rotated.links_end {
                Some(end) => format!(
                    "earlier links work until they expire, the last before {end} ({} kept)",
                    support::counted(rotated.kept, "earlier key")
                ),
                None => "all earlier links are invalid".to_owned(),
            };
            terminal::result(&format!("links are signed with a new key from now on; {earlier}\n"));
            exit::success()
        }
        Err(error) => {
            terminal::message(&format!("failed to rotate the link key: {}", support::error_chain(&error)));
            exit::internal_error()
        }
    }
}
