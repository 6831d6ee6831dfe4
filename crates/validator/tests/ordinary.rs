//! Programs as language models write them: accepted under the default policy, without a warning.

#[path = "common/programs.rs"]
mod programs;

use programs::PROGRAMS;
use validator::{Policy, validate};

#[test]
fn are_accepted_without_a_warning() {
    assert!(PROGRAMS.len() >= 30);
    for program in PROGRAMS {
        let report = validate(program, &Policy::default());
        assert_eq!((report.violations, report.warnings), (vec![], vec![]), "{program}");
    }
}

/// The same ones, concatenated in every order of two: the result does not depend on a program's position.
#[test]
fn are_accepted_together() {
    for first in PROGRAMS {
        for second in PROGRAMS {
            let program = format!("{}\n{}", first, second.trim_start_matches('\u{feff}'));
            let report = validate(&program, &Policy::default());
            assert_eq!(report.violations, [], "{program}");
        }
    }
}
