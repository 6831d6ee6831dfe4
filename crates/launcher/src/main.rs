//! The launcher's executable. The native executor starts it from memory, with the control socket as
//! descriptor 3.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Run from memory, the process would be named after a descriptor number. Each sandbox's agent is a clone
    // of this process and keeps the name: both are `sandbox-agent`, as in a container.
    let _ = rustix::thread::set_name(c"sandbox-agent");
    let control = confine::control_descriptor().map_err(|error| {
        let text = format!(
            "failed to take over descriptor 3: {error} (hint: only the native executor starts this program)"
        );
        io::Error::new(error.kind(), text)
    });
    match control.and_then(launcher::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => ExitCode::SUCCESS,
        Err(error) => {
            // The service logs this.
            let text = format!("sandbox-launcher: {error}\n");
            let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
            ExitCode::FAILURE
        }
    }
}
