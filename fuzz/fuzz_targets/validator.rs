//! Fuzzes the validator with source text.

#![no_main]

use std::sync::LazyLock;
use validator::{FINDINGS_MAX, Policy, render, validate};

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    forbidden_imports: ["os", "subprocess"].map(str::to_owned).into(),
    max_code_length: 50_000,
    max_complexity: 50,
    python: (3, 13),
});

libfuzzer_sys::fuzz_target!(|source: &str| {
    // libFuzzer's hook ends the process on any panic, also on one that `validate` would catch: it is still a
    // bug.
    let report = validate(source, &POLICY);
    let chars = source.chars().count();
    for findings in [&report.violations, &report.warnings] {
        assert!(findings.len() <= FINDINGS_MAX);
        for finding in findings {
            assert!(
                finding.line >= 1 && usize::try_from(finding.column).is_ok_and(|column| column <= chars),
                "{finding:?}"
            );
        }
        assert!(findings.is_sorted_by_key(|finding| finding.line), "{}", render(findings));
    }
});
