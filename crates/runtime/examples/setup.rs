//! Prepares a runtime and prints how long each step took: `cargo run -p runtime --example setup -- DATA_DIR
//! [PYTHON] [--force]`.
#![allow(clippy::print_stdout, reason = "an example prints to the terminal")]

use std::time::Instant;

use runtime::{Progress, SetupOptions, setup};

struct Clock(Instant);

impl Progress for Clock {
    fn step(&mut self, index: usize, total: usize, name: &str) {
        println!("{:7.2} s  [{index}/{total}] {name}", self.0.elapsed().as_secs_f64());
    }
    fn detail(&mut self, text: &str) {
        println!("{:7.2} s         {text}", self.0.elapsed().as_secs_f64());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (force, paths): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument == "--force");
    let data_dir = paths.first().ok_or("the data directory is missing")?.into();
    let options = SetupOptions {
        data_dir,
        python: paths.get(1).map(Into::into),
        packages: None,
        force: !force.is_empty(),
    };
    let start = Instant::now();
    let runtime = setup(&options, &mut Clock(start)).map_err(|error| support::error_chain(&error))?;
    println!("{:7.2} s  ready: {}", start.elapsed().as_secs_f64(), runtime.rootfs.display());
    Ok(())
}
