//! `image`: builds the image that container executors run programs in.

use crate::cli::ImageCommand;
use compose::BuildStep;
use settings::Settings;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use terminal::{Progress, exit};

/// Runs the command.
pub(crate) async fn run(command: ImageCommand, settings: Settings) -> ExitCode {
    match command {
        ImageCommand::Build => build(&settings).await,
        ImageCommand::Export => export(&settings),
    }
}

async fn build(settings: &Settings) -> ExitCode {
    let runtime = match compose::load_runtime(settings) {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::message(&compose::no_runtime(&error));
            return exit::internal_error();
        }
    };
    let image = &settings.docker.image;
    let line = Arc::new(Progress::start());
    // The build may go on reading for a moment after it failed.
    let shown = Arc::downgrade(&line);
    let progress = move |step: BuildStep| {
        let Some(line) = shown.upgrade() else { return };
        let text = match step {
            BuildStep::Sent { files, bytes } => {
                format!("{files} files, {} MiB sent to the engine", bytes >> 20)
            }
            BuildStep::Storing => "the engine is storing the image".to_owned(),
        };
        // Without a terminal only the last message of each step is printed.
        if line.is_hidden() && step == BuildStep::Storing {
            terminal::message(&text);
        }
        line.set(&text);
    };
    let built = compose::build_image(settings, &runtime, progress).await;
    drop(line);
    match built {
        Ok(id) => {
            terminal::message(&format!("the image `{image}` is ready: {id}"));
            exit::success()
        }
        Err(error) => {
            terminal::message(&format!("failed to build the image: {}", support::error_chain(&error)));
            exit::internal_error()
        }
    }
}

fn export(settings: &Settings) -> ExitCode {
    let runtime = match compose::load_runtime(settings) {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::message(&compose::no_runtime(&error));
            return exit::internal_error();
        }
    };
    let stdout = std::io::stdout().lock();
    if stdout.is_terminal() {
        terminal::message("archive not written to a terminal (hint: python-sandbox image export >image.tar)");
        return exit::internal_error();
    }
    match compose::write_image_tree(&runtime, stdout) {
        Ok(()) => exit::success(),
        Err(error) => {
            let rootfs = runtime.rootfs.display();
            terminal::message(&format!("failed to write the archive of {rootfs}: {error}"));
            exit::internal_error()
        }
    }
}
