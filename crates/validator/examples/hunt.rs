use std::io::Write;
fn main() {
    let pieces = ["(", ")", "[", "]", "{", "}", ",", ":", "=", "==", ":=", "+", "-", "*", "**", ".", "...", "->", "@", ";", "\n", "\n    ", "\n        ", "\t", " ", "\"", "'", "\"\"\"", "f\"", "f'{", "}'", "{{", "\\\n", "\\", "# c\n", "0", "1", "1j", "x", "os", "if ", "elif ", "else:", "else ", "for ", "in ", "is ", "not ", "and ", "or ", "lambda ", "lambda:", "yield ", "await ", "async ", "def f(", "def f():", "class A(", "class A:", "return ", "break\n", "pass\n", "global x\n", "import ", "from ", "as ", "with ", "try:", "except ", "except* ", "finally:", "match ", "case ", "_", "None", "del ", "raise ", "assert ", "while ", "print ", "*a", "**k", "!r", "!=", "~", "$", "?", "!", "\r", ".os", "type X = ", "t'{", "lazy import ", "x ", "a.b", "<", "|", "&"];
    let mut s: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut rnd = move |n: usize| { s ^= s << 13; s ^= s >> 7; s ^= s << 17; (s >> 11) as usize % n };
    let p = validator::Policy { max_complexity: 0, ..Default::default() };
    let n: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    for _ in 0..n {
        let mk = |k: usize, rnd: &mut dyn FnMut(usize) -> usize| (0..k).map(|_| pieces[rnd(pieces.len())]).collect::<String>();
        let k = rnd(4); let a = mk(k, &mut rnd); let k = 1 + rnd(5); let u = mk(k, &mut rnd); let k = rnd(3); let e = mk(k, &mut rnd);
        let count = 50_000 / (u.len() + 1).max(1);
        let src: String = format!("{a}{}{e}", u.repeat(count));
        std::fs::File::create(std::env::args().nth(3).unwrap()).unwrap().write_all(format!("{a:?} {u:?} {e:?}").as_bytes()).unwrap();
        let t = std::time::Instant::now();
        let _ = validator::validate(&src, &p);
        if t.elapsed().as_millis() > 1500 { println!("SLOW {:?} {a:?} {u:?} {e:?}", t.elapsed()); }
    }
}
