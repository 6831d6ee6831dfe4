//! Times [`validator::validate`] over sources of 50,000 characters.
//!
//! `cargo run --release -p validator --example time [file.py …]` prints p50, p95 and the slowest of
//! [`ROUNDS`] rounds for dense made-up sources, and for each file given, cut to 50,000 characters at a line
//! end.

#![allow(clippy::print_stdout, reason = "its output is the result")]

use std::time::{Duration, Instant};

use validator::{Policy, validate};

const CHARS: usize = 50_000;
const ROUNDS: usize = 200;

fn main() {
    let mut sources = vec![
        ("short program".to_owned(), SHORT.to_owned()),
        ("dense functions".to_owned(), repeat(DENSE)),
        ("imports".to_owned(), repeat("from a.b import c as d, e\nimport f.g as h\n")),
        ("list of numbers".to_owned(), format!("x = [{}]\n", "-1.5, 22, ".repeat(CHARS / 11))),
        ("f-strings".to_owned(), repeat("x = f'{a!r:>{b}} {c[0]} {d(e)}'\n")),
        ("syntax error at the end".to_owned(), format!("{}x = = 1\n", &repeat(DENSE)[..CHARS - 600])),
    ];
    for path in std::env::args().skip(1) {
        if let Ok(text) = std::fs::read_to_string(&path) {
            let cut: String = text.chars().take(CHARS).collect();
            let end = cut.rfind('\n').map_or(cut.len(), |at| at + 1);
            sources.push((path, cut[..end].to_owned()));
        }
    }
    let policy = Policy { max_complexity: 0, ..Policy::default() };
    println!("{:>9} {:>9} {:>9} {:>7}  source", "p50 ms", "p95 ms", "max ms", "chars");
    for (name, source) in sources {
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let started = Instant::now();
                std::hint::black_box(validate(std::hint::black_box(&source), &policy));
                started.elapsed()
            })
            .collect();
        times.sort();
        let ms = |percent: usize| times[(ROUNDS * percent / 100).min(ROUNDS - 1)].as_secs_f64() * 1e3;
        println!("{:9.3} {:9.3} {:9.3} {:7}  {name}", ms(50), ms(95), ms(100), source.chars().count());
    }
}

fn repeat(unit: &str) -> String {
    unit.repeat(CHARS / unit.chars().count())
}

const SHORT: &str = "import pandas as pd\n\ndf = pd.DataFrame({'a': [1, 2, 3]})\nprint(df.describe())\n";

const DENSE: &str = "\
def f(a, b=1, *c, d: int = 2, **e):
    x = [i * 2 + j for i, j in zip(a, b) if i > 0 and j < 9]
    if x and len(x) > 3 or not b: return {'k': x[0], **e}
    elif a.b.c(d)[1:2].g: y = (lambda z: z ** 2)(x[-1])
    else: y = a if b else c
    try: print(f'{y!r:>10}', y, sep='')
    except (ValueError, KeyError) as error: raise RuntimeError(str(error)) from error
    return y
";
