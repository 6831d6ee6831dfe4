//! Compiles a policy to a BPF program.
//!
//! # Shape of the program
//! ```text
//! load arch; not ours -> kill
//! load nr
//! binary search over ranges of numbers with the same rules
//!   leaf without tests:  return
//!   leaf with tests:     for each rule: load argument word, compare, next rule on failure; return
//! ```
//! A search tree and not "most frequent first": since Linux 5.11 the kernel determines, when the filter is
//! installed, which calls are allowed whatever their arguments, and does not run the filter for those. The
//! rest are calls with tests, and blocked calls; seven or eight comparisons find the right leaf.
//!
//! All jumps go forward within the part of the program that contains them, so parts are combined by
//! concatenation. The same policy always compiles to the same program.

use super::bpf::{self, Program};
use super::model::{Action, ArgTest, Compare, Policy, Rule};
use super::names::{Arch, syscall_name};
use crate::insn::{INSTRUCTIONS_MAX, Insn};

/// Options of compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// A supervisor will hold the filter's listener and reply. If false, `notify E` becomes `errno E`: a
    /// notification without a listener fails with `ENOSYS`, which would be wrong.
    pub notify: bool,
}

/// Why a policy could not be compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The program is longer than the kernel accepts.
    #[error("filter has {length} instructions (limit {max})")]
    TooLong {
        /// Instructions it would have.
        length: usize,
        /// [`INSTRUCTIONS_MAX`].
        max: usize,
    },
    /// A classic BPF jump reaches 255 instructions; the tests of one rule need more.
    #[error(
        "the tests of the rule for `{name}` need {length} instructions (limit {max}; hint: split its list)"
    )]
    RuleTooLong {
        /// The first call named by the rule.
        name: String,
        /// Instructions they would have.
        length: usize,
        /// The most they may have.
        max: usize,
    },
}

/// The longest distance of a conditional jump.
const JUMP_MAX: usize = u8::MAX as usize;

/// Numbers from `first` up to the next range's, with the rules for all of them. The last range is unbounded.
struct Range<'p> {
    first: u32,
    verdict: Verdict<'p>,
}

/// What happens to the calls of a range: rules with tests in order, then the action if none matched.
#[derive(PartialEq)]
struct Verdict<'p> {
    tested: Vec<&'p Rule>,
    otherwise: Action,
}

impl Policy {
    /// Compiles the policy for `arch`.
    ///
    /// # Errors
    /// When the policy exceeds a filter's size. The built-in policy never does, and a test checks that.
    pub fn compile(&self, arch: Arch, options: CompileOptions) -> Result<Program, CompileError> {
        let answer = |action| match action {
            Action::TELL | Action::Ask(_) if !options.notify => Action::Allow,
            Action::Notify(errno) if !options.notify => Action::Errno(errno),
            other => other,
        };
        let mut program = vec![
            Insn::new(bpf::LOAD_WORD, bpf::OFFSET_ARCH),
            Insn { code: bpf::JUMP_EQ, jt: 1, jf: 0, k: arch.audit_arch() },
            Insn::ret(Action::KillProcess),
            Insn::new(bpf::LOAD_WORD, bpf::OFFSET_NR),
        ];
        program.extend(search(&self.ranges(arch), &answer)?);
        if program.len() > INSTRUCTIONS_MAX {
            return Err(CompileError::TooLong { length: program.len(), max: INSTRUCTIONS_MAX });
        }
        Ok(Program::new(program))
    }

    /// All numbers, divided into ranges with the same rules.
    fn ranges(&self, arch: Arch) -> Vec<Range<'_>> {
        let mut ranges: Vec<Range<'_>> = Vec::new();
        // One number past the table: all greater numbers, including x32 calls, get the same result.
        for nr in 0..=arch.number_max() + 1 {
            let verdict = self.verdict(arch, nr);
            if ranges.last().is_none_or(|last| last.verdict != verdict) {
                ranges.push(Range { first: nr, verdict });
            }
        }
        ranges
    }

    fn verdict(&self, arch: Arch, nr: u32) -> Verdict<'_> {
        if syscall_name(arch, nr).is_none() {
            return Verdict { tested: Vec::new(), otherwise: self.unknown };
        }
        let mut tested = Vec::new();
        for rule in self.rules_of(arch, nr) {
            if rule.tests.is_empty() {
                return Verdict { tested, otherwise: rule.action };
            }
            tested.push(rule);
        }
        Verdict { tested, otherwise: self.default }
    }
}

/// The search tree over `ranges`, which are sorted and not empty. Expects the number in the accumulator.
fn search(ranges: &[Range<'_>], answer: &dyn Fn(Action) -> Action) -> Result<Vec<Insn>, CompileError> {
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let (Some(_), Some(pivot)) = (below.first(), above.first()) else {
        return match ranges.first() {
            Some(range) => leaf(&range.verdict, answer),
            // Never reached; an empty search would let the program run on into the next part.
            None => Ok(vec![Insn::ret(Action::KillProcess)]),
        };
    };
    let lower = search(below, answer)?;
    let upper = search(above, answer)?;
    let mut piece = Vec::with_capacity(2 + lower.len() + upper.len());
    match u8::try_from(lower.len()) {
        Ok(over) => piece.push(Insn { code: bpf::JUMP_GE, jt: over, jf: 0, k: pivot.first }),
        // Too far for a conditional jump: use the unconditional one, whose distance has 32 bits.
        Err(_) => {
            piece.push(Insn { code: bpf::JUMP_GE, jt: 0, jf: 1, k: pivot.first });
            let distance = u32::try_from(lower.len()).unwrap_or(u32::MAX);
            piece.push(Insn::new(bpf::JUMP, distance));
        }
    }
    piece.extend(lower);
    piece.extend(upper);
    Ok(piece)
}

/// The rules of one range, tried in order.
fn leaf(verdict: &Verdict<'_>, answer: &dyn Fn(Action) -> Action) -> Result<Vec<Insn>, CompileError> {
    let mut piece = Vec::new();
    for rule in &verdict.tested {
        piece.extend(tested(rule, answer(rule.action))?);
    }
    piece.push(Insn::ret(answer(verdict.otherwise)));
    Ok(piece)
}

/// One rule: its tests, each falling through to the next if it holds, then the return. A failing test jumps
/// just past the return, where the next rule begins.
fn tested(rule: &Rule, action: Action) -> Result<Vec<Insn>, CompileError> {
    let steps: Vec<Step> = rule.tests.iter().flat_map(steps_of).collect();
    let end = steps.len();
    // The farthest jump is from the first instruction to the one after the return.
    if end > JUMP_MAX {
        let name = rule.names.first().cloned().unwrap_or_default();
        return Err(CompileError::RuleTooLong { name, length: end, max: JUMP_MAX });
    }
    let mut piece = Vec::with_capacity(end + 1);
    for (at, step) in steps.iter().enumerate() {
        let distance = |jump: Jump| {
            let skipped = match jump {
                Jump::Next => 0,
                Jump::Over(count) => count,
                Jump::Fail => end - at,
            };
            u8::try_from(skipped).expect("the whole rule is shorter than the farthest jump")
        };
        piece.push(match *step {
            Step::Load(offset) => Insn::new(bpf::LOAD_WORD, offset),
            Step::And(mask) => Insn::new(bpf::AND, mask),
            Step::Branch { code, k, yes, no } => Insn { code, jt: distance(yes), jf: distance(no), k },
        });
    }
    piece.push(Insn::ret(action));
    Ok(piece)
}

/// An instruction whose jumps are not distances yet.
#[derive(Clone, Copy)]
enum Step {
    Load(u32),
    And(u32),
    Branch { code: u16, k: u32, yes: Jump, no: Jump },
}

#[derive(Clone, Copy)]
enum Jump {
    Next,
    /// Skip this number of steps; always within the test's own steps, or to the one right after them.
    Over(usize),
    /// The test failed, and with it the rule.
    Fail,
}

impl Step {
    fn equal(k: u32, yes: Jump, no: Jump) -> Self {
        Self::Branch { code: bpf::JUMP_EQ, k, yes, no }
    }
}

/// The steps of one test. If it holds they continue with the step after them.
fn steps_of(test: &ArgTest) -> Vec<Step> {
    match &test.compare {
        Compare::OneOf(values) => one_of(test, values),
        Compare::AtMost(max) => at_most(test, *max),
    }
}

/// Loads of a test's low and high word, each masked; empty for a word without significant bits.
fn loads(test: &ArgTest) -> (Vec<Step>, Vec<Step>) {
    let offset = bpf::offset_arg(test.index);
    let (mask_low, mask_high) = bpf::words(test.mask);
    let load = |offset, mask| match mask {
        0 => Vec::new(),
        u32::MAX => vec![Step::Load(offset)],
        mask => vec![Step::Load(offset), Step::And(mask)],
    };
    (load(offset, mask_low), load(offset + 4, mask_high))
}

/// Values with the same high half are compared in one group: the high word once, then the low word with each.
fn one_of(test: &ArgTest, values: &[u64]) -> Vec<Step> {
    let (load_low, load_high) = loads(test);
    let mut groups: Vec<(u32, Vec<u32>)> = Vec::new();
    for value in values {
        let (low, high) = bpf::words(*value);
        match groups.iter_mut().find(|(known, _)| *known == high) {
            Some((_, lows)) => lows.push(low),
            None => groups.push((high, vec![low])),
        }
    }
    // From the last group to the first, so that each knows how much follows it.
    let mut steps: Vec<Step> = Vec::new();
    for (high, lows) in groups.into_iter().rev() {
        let after = steps.len();
        let miss = |remaining: usize| if after == 0 { Jump::Fail } else { Jump::Over(remaining) };
        let mut group = Vec::new();
        let low_steps = if load_low.is_empty() { 0 } else { load_low.len() + lows.len() };
        if !load_high.is_empty() {
            group.extend(&load_high);
            // A match continues with the low word, or, if that has no significant bits, past the other
            // groups.
            let hit = if low_steps == 0 { Jump::Over(after) } else { Jump::Next };
            group.push(Step::equal(high, hit, miss(low_steps)));
        }
        if low_steps > 0 {
            group.extend(&load_low);
            let count = lows.len();
            for (at, low) in lows.into_iter().enumerate() {
                let left = count - at - 1;
                let no = if left == 0 { miss(0) } else { Jump::Next };
                group.push(Step::equal(low, Jump::Over(left + after), no));
            }
        }
        group.extend(steps);
        steps = group;
    }
    steps
}

fn at_most(test: &ArgTest, max: u64) -> Vec<Step> {
    let (load_low, load_high) = loads(test);
    let (max_low, max_high) = bpf::words(max);
    let mut steps = Vec::new();
    if !load_high.is_empty() {
        let low_steps = load_low.len() + 1;
        steps.extend(load_high);
        steps.push(Step::Branch { code: bpf::JUMP_GT, k: max_high, yes: Jump::Fail, no: Jump::Next });
        // Already smaller in the high word: the low one is irrelevant.
        steps.push(Step::equal(max_high, Jump::Next, Jump::Over(low_steps)));
    }
    steps.extend(load_low);
    steps.push(Step::Branch { code: bpf::JUMP_GT, k: max_low, yes: Jump::Fail, no: Jump::Next });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SeccompData, syscall_number};
    use proptest::prelude::*;

    const WITH: CompileOptions = CompileOptions { notify: true };
    const HEAD: &str = "default notify EPERM\nunknown errno ENOSYS\n";

    fn program(rules: &str, arch: Arch) -> Program {
        Policy::parse(&format!("{HEAD}{rules}")).unwrap().compile(arch, WITH).unwrap()
    }

    /// The verdicts of a policy on `read` (number 0) with these first arguments.
    fn verdicts(rules: &str, first_args: &[u64]) -> Vec<Action> {
        let program = program(rules, Arch::X86_64);
        first_args.iter().map(|arg| program.evaluate(&SeccompData::new(Arch::X86_64, 0, &[*arg]))).collect()
    }

    const YES: Action = Action::Allow;
    const NO: Action = Action::Notify(1);

    #[test]
    fn equality_looks_at_both_words() {
        let args = [5, 5 | 1 << 32, 5 << 32, 4];
        assert_eq!(verdicts("allow read if arg0 == 5", &args), [YES, NO, NO, NO]);
        assert_eq!(verdicts("allow read if arg0:32 == 5", &args), [YES, YES, NO, NO]);
        assert_eq!(verdicts("allow read if arg0 == 0x500000000", &args), [NO, NO, YES, NO]);
    }

    #[test]
    fn masks_reach_into_both_words() {
        let args = [0, 2, 1 << 33, 1 << 32, 2 | 1 << 33];
        assert_eq!(verdicts("allow read if arg0 masked 0x200000002 == 0", &args), [YES, NO, NO, YES, NO]);
        assert_eq!(verdicts("allow read if arg0 masked 0x200000000 == 0", &args), [YES, YES, NO, YES, NO]);
        assert_eq!(verdicts("allow read if arg0 masked 2 == 2", &args), [NO, YES, NO, NO, YES]);
    }

    #[test]
    fn lists_are_compared_by_both_words() {
        let args = [1, 2, 3, 1 << 32, 1 << 32 | 1, 1 << 32 | 2];
        assert_eq!(verdicts("allow read if arg0 in 1 2", &args), [YES, YES, NO, NO, NO, NO]);
        assert_eq!(verdicts("allow read if arg0:32 in 1 2", &args), [YES, YES, NO, NO, YES, YES]);
        assert_eq!(verdicts("allow read if arg0 in 2 0x100000001 3", &args), [NO, YES, YES, NO, YES, NO]);
    }

    #[test]
    fn at_most_is_unsigned_over_both_words() {
        let args = [0, 7, 8, 1 << 32, (1 << 32) + 8, u64::MAX];
        assert_eq!(verdicts("allow read if arg0 <= 7", &args), [YES, YES, NO, NO, NO, NO]);
        assert_eq!(verdicts("allow read if arg0:32 <= 7", &args), [YES, YES, NO, YES, NO, NO]);
        assert_eq!(verdicts("allow read if arg0 <= 0x100000007", &args), [YES, YES, YES, YES, NO, NO]);
        assert_eq!(verdicts("allow read if arg0 <= 0xFFFFFFFFFFFFFFFF", &args), [YES; 6]);
    }

    #[test]
    fn every_test_of_a_rule_must_hold() {
        let program = program("allow read if arg0 == 1 and arg1 in 2 3 and arg5 <= 4", Arch::X86_64);
        let verdict = |args: [u64; 6]| program.evaluate(&SeccompData::new(Arch::X86_64, 0, &args));
        assert_eq!(verdict([1, 3, 9, 9, 9, 4]), YES);
        for wrong in [[0, 3, 0, 0, 0, 4], [1, 4, 0, 0, 0, 4], [1, 2, 0, 0, 0, 5]] {
            assert_eq!(verdict(wrong), NO, "{wrong:?}");
        }
    }

    #[test]
    fn rules_of_one_call_are_tried_in_order() {
        let rules = "errno EINVAL read if arg0 == 1\nallow read if arg0 <= 5\nkill read";
        assert_eq!(verdicts(rules, &[1, 2, 6]), [Action::Errno(22), YES, Action::KillProcess]);
    }

    #[test]
    fn another_machines_call_kills() {
        let program = program("allow read", Arch::X86_64);
        for audit_arch in [0x4000_0003, 0xC000_00B7, 0, u32::MAX] {
            let mut data = SeccompData::new(Arch::X86_64, 0, &[]);
            data.arch = audit_arch;
            assert_eq!(program.evaluate(&data), Action::KillProcess, "{audit_arch:#x}");
        }
    }

    #[test]
    fn numbers_without_a_name_get_the_unknown_action() {
        for arch in Arch::ALL {
            let program = Policy::builtin().compile(arch, WITH).unwrap();
            let read = syscall_number(arch, "read").unwrap();
            let table_end = arch.number_max();
            // The x32 twin of `read`, the first x32-only number, what `syscall(-1)` passes, a hole in the
            // table.
            for nr in [table_end + 1, 999, 0x4000_0000 | read, 0x4000_0200, u32::MAX, 0x8000_0000, 415] {
                assert_eq!(
                    program.evaluate(&SeccompData::new(arch, nr, &[])),
                    Action::Errno(38),
                    "{arch:?} {nr:#x}"
                );
            }
        }
    }

    #[test]
    fn without_a_supervisor_notify_becomes_its_errno() {
        for arch in Arch::ALL {
            let policy = Policy::builtin();
            let program = policy.compile(arch, CompileOptions { notify: false }).unwrap();
            let ptrace = syscall_number(arch, "ptrace").unwrap();
            assert_eq!(program.evaluate(&SeccompData::new(arch, ptrace, &[])), Action::Errno(1));
            let kill = syscall_number(arch, "kill").unwrap();
            assert_eq!(
                program.evaluate(&SeccompData::new(arch, kill, &[1, 9])),
                Action::Allow,
                "not reported"
            );
            assert!(
                !program.instructions().iter().any(|insn| insn.code == bpf::RETURN && insn.k >> 16 == 0x7FC0)
            );
        }
    }

    #[test]
    fn the_builtin_program_is_short_quick_and_always_the_same() {
        for arch in Arch::ALL {
            let program = Policy::builtin().compile(arch, WITH).unwrap();
            assert_eq!(program, Policy::builtin().compile(arch, WITH).unwrap());
            let length = program.instructions().len();
            assert!(length < 1000, "{arch:?}: {length} instructions");
            let steps_max = (0..=arch.number_max() + 1)
                .map(|nr| program.run(&SeccompData::new(arch, nr, &[u64::MAX; 6])).1)
                .max()
                .unwrap();
            assert!(steps_max < 60, "{arch:?}: {steps_max} steps for the slowest blocked call");
        }
    }

    /// What the kernel's checker (`bpf_check_classic`) requires: jumps within the program, a return at the
    /// end.
    #[test]
    fn every_jump_lands_inside_the_program() {
        for arch in Arch::ALL {
            let program = Policy::builtin().compile(arch, WITH).unwrap();
            let length = program.instructions().len();
            for (at, insn) in program.instructions().iter().enumerate() {
                let farthest = match insn.code {
                    bpf::JUMP => usize::try_from(insn.k).unwrap(),
                    _ => usize::from(insn.jt.max(insn.jf)),
                };
                assert!(
                    at + 1 + farthest <= length - usize::from(insn.code != bpf::RETURN),
                    "{arch:?} at {at}"
                );
            }
            assert_eq!(program.instructions().last().unwrap().code, bpf::RETURN);
        }
    }

    #[test]
    fn far_jumps_are_bridged() {
        let list: Vec<String> = (0..200).map(|n: u32| (n * 2).to_string()).collect();
        let list = list.join(" ");
        let rules = format!("allow read if arg0 in {list}\nallow read if arg1 in {list}\nallow write");
        let program = program(&rules, Arch::X86_64);
        assert!(program.instructions().iter().any(|insn| insn.code == bpf::JUMP));
        let verdict = |nr, args: &[u64]| program.evaluate(&SeccompData::new(Arch::X86_64, nr, args));
        assert_eq!(verdict(0, &[398]), YES);
        assert_eq!(verdict(0, &[1, 398]), YES);
        assert_eq!(verdict(0, &[1, 399]), NO);
        assert_eq!(verdict(1, &[]), YES);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let list = |range: std::ops::Range<u32>| range.map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let too_long = Policy::parse(&format!("{HEAD}allow read if arg0 in {}", list(0..300))).unwrap();
        assert!(matches!(
            too_long.compile(Arch::X86_64, WITH),
            Err(CompileError::RuleTooLong { length: 303, .. })
        ));
        let rules: Vec<String> =
            (0..25).map(|n| format!("allow read if arg0 in {}\n", list(n * 200..n * 200 + 200))).collect();
        let too_many = Policy::parse(&format!("{HEAD}{}", rules.concat())).unwrap();
        assert!(matches!(too_many.compile(Arch::X86_64, WITH), Err(CompileError::TooLong { .. })));
    }

    fn any_arch() -> impl Strategy<Value = Arch> {
        prop_oneof![Just(Arch::X86_64), Just(Arch::Aarch64)]
    }

    /// Arguments near what policies test for: small values, single bits, constants with a nonzero high word.
    fn any_arg() -> impl Strategy<Value = u64> {
        let words = prop_oneof![
            0u32..20,
            (0u32..32).prop_map(|bit| 1 << bit),
            prop::sample::select(vec![0x5401, 0x5412, 0x541B, 0o100_644, 0o10_600, 0o4755, 1030, u32::MAX]),
            any::<u32>(),
        ];
        (words.clone(), prop_oneof![3 => Just(0u32), 1 => words])
            .prop_map(|(low, high)| u64::from(high) << 32 | u64::from(low))
    }

    fn any_call() -> impl Strategy<Value = (u32, [u64; 6])> {
        let nr = prop_oneof![9 => 0u32..480, 1 => any::<u32>()];
        (nr, prop::array::uniform6(any_arg()))
    }

    /// A test as text, over few values, so that random calls often match it.
    fn any_test() -> impl Strategy<Value = String> {
        let value = || prop_oneof![0u64..4, Just(1 << 32), Just(1 << 32 | 1), Just(3 << 32), Just(u64::MAX)];
        let wide = (
            0..6,
            prop_oneof![
                value().prop_map(|v| format!("== {v}")),
                value().prop_map(|v| format!("<= {v}")),
                prop::collection::vec(value(), 1..6).prop_map(|vs| {
                    format!("in {}", vs.iter().map(u64::to_string).collect::<Vec<_>>().join(" "))
                }),
                (value().prop_filter("a mask has bits", |m| *m != 0), prop::collection::vec(value(), 1..4))
                    .prop_map(|(m, vs)| {
                        let vs: Vec<String> = vs.iter().map(|v| (v & m).to_string()).collect();
                        format!("masked {m} in {}", vs.join(" "))
                    }),
            ],
        )
            .prop_map(|(index, test)| format!("arg{index} {test}"));
        let narrow = (0..6, 0u32..4, prop_oneof![Just("=="), Just("<="), Just("in"), Just("masked 3 ==")])
            .prop_map(|(index, v, how)| format!("arg{index}:32 {how} {v}"));
        prop_oneof![wide, narrow]
    }

    /// A policy over a few calls, as text. Rules that the parser rejects as unreachable are left out.
    fn any_policy() -> impl Strategy<Value = Policy> {
        let action = prop_oneof![
            Just("allow"),
            Just("errno EINVAL"),
            Just("notify EACCES"),
            Just("tell"),
            Just("kill")
        ];
        let name = prop::sample::select(vec![
            "read",
            "write",
            "close",
            "openat",
            "open",
            "file_setattr",
            "io_setup",
        ]);
        let rule =
            (action, name, prop::collection::vec(any_test(), 0..3)).prop_map(|(action, name, tests)| {
                let condition =
                    if tests.is_empty() { String::new() } else { format!(" if {}", tests.join(" and ")) };
                format!("{action} {name}{condition}\n")
            });
        prop::collection::vec(rule, 0..12).prop_map(|rules| {
            rules.iter().fold(Policy::parse(HEAD).unwrap(), |policy, rule| {
                let mut more = Policy::parse(&format!("{HEAD}{rule}")).unwrap();
                Policy { rules: [policy.rules, std::mem::take(&mut more.rules)].concat(), ..policy }
            })
        })
    }

    fn any_small_call() -> impl Strategy<Value = (u32, [u64; 6])> {
        let word = || prop_oneof![4 => 0u64..4, 1 => Just(u64::from(u32::MAX))];
        let arg = (word(), word()).prop_map(|(high, low)| high << 32 | low);
        (
            prop::sample::select(vec![0u32, 1, 2, 3, 56, 57, 63, 64, 206, 257, 469, 470]),
            prop::array::uniform6(arg),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_builtin_program_does_what_the_policy_says(arch in any_arch(), (nr, args) in any_call()) {
            thread_local! {
                static BUILTIN: (Policy, [Program; 2]) = {
                    let policy = Policy::builtin();
                    let programs = Arch::ALL.map(|arch| policy.compile(arch, WITH).unwrap());
                    (policy, programs)
                };
            }
            let data = SeccompData::new(arch, nr, &args);
            BUILTIN.with(|(policy, [x86_64, aarch64])| {
                let program = if arch == Arch::X86_64 { x86_64 } else { aarch64 };
                prop_assert_eq!(program.evaluate(&data), policy.decide(arch, &data));
                Ok(())
            })?;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_program_does_what_its_policy_says(
            policy in any_policy(),
            arch in any_arch(),
            calls in prop::collection::vec(any_small_call(), 40),
        ) {
            let program = policy.compile(arch, WITH).unwrap();
            for (nr, args) in calls {
                let data = SeccompData::new(arch, nr, &args);
                prop_assert_eq!(program.evaluate(&data), policy.decide(arch, &data), "{:?} in {:?}", data, policy);
            }
        }
    }
}
